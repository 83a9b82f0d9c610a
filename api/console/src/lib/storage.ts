/** What the browser keeps for us between two visits; where it may not, nothing is kept and nothing fails. */

export function kept(name: string): string | null {
  try {
    return localStorage.getItem(name);
  } catch {
    return null;
  }
}

/** Keep a value under that name; null: keep none. */
export function keep(name: string, value: string | null): void {
  try {
    if (value === null) localStorage.removeItem(name);
    else localStorage.setItem(name, value);
  } catch {
    // whoever asks for it is told that there is none
  }
}
