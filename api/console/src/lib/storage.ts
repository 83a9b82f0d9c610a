/** What the browser keeps for us; where it may not, nothing is kept and nothing fails. */

/** What is kept under that name between two visits. */
export function kept(name: string): string | null {
  return allowed(() => localStorage.getItem(name));
}

/** Keep a value under that name; null: keep none. */
export function keep(name: string, value: string | null): void {
  allowed(() => (value === null ? localStorage.removeItem(name) : localStorage.setItem(name, value)));
}

/** What the tab keeps under that name: over a reload, not longer than the session. */
export function keptInTab(name: string): string | null {
  return allowed(() => sessionStorage.getItem(name));
}

/** Keep a value in the tab; null: keep none. What is too large is not kept, nor is what was kept before it. */
export function keepInTab(name: string, value: string | null): void {
  allowed(() => {
    sessionStorage.removeItem(name);
    if (value !== null) sessionStorage.setItem(name, value);
  });
}

/** Forget all that the tab keeps. */
export function emptyTab(): void {
  allowed(() => sessionStorage.clear());
}

/** What comes of it; null where the browser does not let us, or has no room. */
function allowed<Value>(act: () => Value): Value | null {
  try {
    return act();
  } catch {
    return null;
  }
}
