/** The token of this tab, by which a server without sign-in knows who asks. It goes with the tab. */

const TOKEN = "objects-token";

export const token = {
  get: (): string => sessionStorage.getItem(TOKEN) ?? "",
  set: (text: string): void => sessionStorage.setItem(TOKEN, text),
};

export function authorization(): Record<string, string> {
  const said = token.get();
  return said ? { Authorization: `Bearer ${said}` } : {};
}
