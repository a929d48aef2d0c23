/** Files that somebody chose or dropped, with their folders. */

export type Named = readonly [path: string, file: File];

export function chosen(files: FileList | null): Named[] {
  return [...(files ?? [])].map((file) => [file.webkitRelativePath || file.name, file]);
}

/** What was dropped, folders with all that is in them. */
export async function dropped(data: DataTransfer): Promise<Named[]> {
  // Entries are there only until the event is over: they are taken before anything is waited for.
  const found = [...data.items].map((item): Promise<Named[]> => {
    const [entry, file] = [item.webkitGetAsEntry(), item.getAsFile()];
    return entry ? within(entry) : Promise.resolve(file ? [[file.name, file] as const] : []);
  });
  return (await Promise.all(found)).flat();
}

async function within(entry: FileSystemEntry): Promise<Named[]> {
  if (entry.isFile) {
    const file = await new Promise<File>((resolve, reject) => {
      (entry as FileSystemFileEntry).file(resolve, reject);
    });
    return [[entry.fullPath.replace(/^\//, ""), file]];
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const found: Named[] = [];
  for (;;) { // a reader gives some at a time, and none at the end
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) return found;
    found.push(...(await Promise.all(some.map((one) => within(one)))).flat());
  }
}
