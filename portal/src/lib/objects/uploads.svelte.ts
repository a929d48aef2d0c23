/** Uploads of this page: they go on while one looks elsewhere in the portal, after a lost connection,
    and, when the same file is chosen again, after the browser was closed. */

import { DetailedError, Upload, type PreviousUpload } from "tus-js-client";
import { authorization } from "../token";

const AT_ONCE = 3;
const CHUNK_BYTES = 16 << 20;
const SECONDS = 1000;
const RETRIES = [0, 1, 2, 5, 10, 20, 30, 60, 60, 60, 60, 60].map((seconds) => seconds * SECONDS);

export interface Target {
  project: string;
  container: string;
  folder: string;
}

export type State = "waiting" | "sending" | "paused" | "done" | "failed";

/** A file on its way. */
export class Sending {
  sent = $state(0);
  state = $state<State>("waiting");
  error = $state("");
  upload: Upload | null = null;

  constructor(readonly file: File, readonly name: string, readonly description: string) {}
}

class Uploads {
  all = $state<Sending[]>([]);
  /** Grows with each one that is done: who shows a folder looks again. */
  done = $state(0);

  add(files: readonly (readonly [string, File])[], to: Target, description: string): void {
    const inside = `${to.project}/${to.container}/${to.folder}`;
    this.all.push(...files.map(([path, file]) => new Sending(file, inside + path, description)));
    this.#next();
  }

  pause(one: Sending): void {
    one.state = "paused";
    void one.upload?.abort();
    this.#next();
  }

  resume(one: Sending): void {
    one.state = "waiting";
    this.#next();
  }

  /** Give it up, also on the server. */
  cancel(one: Sending): void {
    const { upload } = one;
    this.all = this.all.filter((other) => other !== one);
    upload?.abort(one.state !== "done").catch(() => undefined);
    this.#next();
  }

  clear(): void {
    this.all = this.all.filter(({ state }) => state !== "done");
  }

  #next(): void {
    const free = AT_ONCE - this.all.filter(({ state }) => state === "sending").length;
    for (const one of this.all.filter(({ state }) => state === "waiting").slice(0, Math.max(free, 0))) {
      void this.#begin(one);
    }
  }

  async #begin(one: Sending): Promise<void> {
    one.state = "sending";
    one.error = "";
    const upload = (one.upload ??= this.#made(one));
    if (upload.url === null) {
      const before = await upload.findPreviousUploads().catch((): PreviousUpload[] => []);
      if (before[0]) upload.resumeFromPreviousUpload(before[0]);
    }
    if (one.state === "sending") upload.start();
  }

  #made(one: Sending): Upload {
    return new Upload(one.file, {
      endpoint: "/objects/_uploads",
      chunkSize: CHUNK_BYTES,
      retryDelays: RETRIES,
      metadata: { name: one.name, description: one.description },
      headers: authorization(),
      removeFingerprintOnSuccess: true,
      // Not by what is said of it: who comes back with the file goes on with what was said then.
      fingerprint: (file) => Promise.resolve(
        ["gmn", one.name, file.size, (file as File).lastModified].join("|"),
      ),
      onProgress: (sent) => (one.sent = sent),
      onSuccess: () => {
        one.state = "done";
        one.sent = one.file.size;
        this.done++;
        this.#next();
      },
      onError: (error) => {
        one.state = "failed";
        one.error = told(error);
        this.#next();
      },
    });
  }
}

function told(error: Error | DetailedError): string {
  const body = error instanceof DetailedError ? error.originalResponse?.getBody() : undefined;
  try {
    const said = JSON.parse(body ?? "") as { detail?: string };
    if (said.detail) return said.detail;
  } catch {
    // no problem of the server's
  }
  return "The server cannot be reached.";
}

export const uploads = new Uploads();

interface Named {
  name: string;
  size: number | null;
}

/** Uploads of a former visit that were not finished: their files have to be chosen again. */
export function unfinished(): Named[] {
  const found: Named[] = [];
  for (const [key, text] of Object.entries(localStorage)) {
    if (!key.startsWith("tus::gmn|")) continue;
    try {
      const kept = JSON.parse(String(text)) as { size: number | null; metadata: { name: string } };
      found.push({ name: kept.metadata.name, size: kept.size });
    } catch {
      // another program's
    }
  }
  return found;
}
