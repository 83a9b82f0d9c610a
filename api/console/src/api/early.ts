/** What the first script asks of the server before the scripts are there that read the answers. */

const KEPT_MS = 10_000; // whoever comes later asks anew
const begun = new Map<string, { answer: Promise<Response>; at: number }>();

/** Ask for these addresses now. Each answer is for the first who asks for the same. */
export function askEarly(...addresses: string[]): void {
  for (const address of addresses) {
    const answer = fetch(address, { credentials: "same-origin" });
    answer.catch(() => undefined); // whoever asks for it is told
    begun.set(address, { answer, at: performance.now() });
  }
}

/** As `fetch`; answered by what was asked for early, where that succeeded. */
export async function fetchOnce(request: Request): Promise<Response> {
  const address = request.url.slice(location.origin.length);
  const early = request.method === "GET" ? begun.get(address) : undefined;
  if (early === undefined) return fetch(request);
  begun.delete(address);
  if (performance.now() - early.at > KEPT_MS) return fetch(request);
  const answer = await early.answer;
  return answer.ok ? answer : fetch(request);
}

/** Another person may be logged in now. */
export function forgetEarly(): void {
  begun.clear();
}
