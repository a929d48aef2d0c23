/** Who has signed in, where the server is set to that. */

export const canSignIn = document.querySelector('meta[name="sign-in"]') !== null;

export const account = $state({ name: "", isKnown: false });

/** Ask who it is. */
export async function look(): Promise<void> {
  if (!canSignIn) return;
  const response = await fetch("/account", { headers: { Accept: "application/json" } }).catch(() => null);
  if (!response?.ok) return;
  account.name = ((await response.json()) as { account: string | null }).account ?? "";
  account.isKnown = true;
}

/** Where one signs in, to come back to this page. */
export function signInAddress(path: string, search: string): string {
  return `/account/sign-in?${new URLSearchParams({ back: path + search })}`;
}

export async function signOut(): Promise<void> {
  const response = await fetch("/account/sign-out", { method: "POST" });
  const told = response.status === 200 ? ((await response.json()) as { at_provider: string }) : null;
  if (told) location.assign(told.at_provider);
  else location.reload();
}
