/** What the first script asks of the server before the scripts are there that read the answers. */
import { emptyTab, keep, kept } from "@/lib/storage";

export const MANY_COLLECTIONS = 500; // of one list; whoever has more types the name
const KEPT_MS = 10_000; // whoever comes later asks anew
const LIKELY = "kb-session"; // in the browser's storage: somebody was logged in here last
const SERVER_FAILED = 500; // from here on it may go better the second time

const begun = new Map<string, { answer: Promise<Response>; at: number }>();

/** Ask for these addresses now. Each answer is for the first who asks for the same. */
export function askEarly(...addresses: string[]): void {
  for (const address of addresses) {
    const answer = fetch(address, { credentials: "same-origin" });
    answer.catch(() => undefined); // whoever asks for it is told
    begun.set(address, { answer, at: performance.now() });
  }
}

/** As `fetch`; answered by what was asked for early, where the server answered that. */
export async function fetchOnce(request: Request): Promise<Response> {
  const address = request.url.slice(location.origin.length);
  const early = request.method === "GET" ? begun.get(address) : undefined;
  if (early === undefined) return fetch(request);
  begun.delete(address);
  if (performance.now() - early.at > KEPT_MS) return fetch(request);
  const answer = await early.answer;
  return answer.status < SERVER_FAILED ? answer : fetch(request);
}

/** Whether data asked for before the session is known is likely to be given; else each visit would be refused it. */
export function sessionIsLikely(): boolean {
  return kept(LIKELY) !== null;
}

/** Remember whether somebody is logged in; where nobody is, what was asked for early or is kept in the tab is nobody's. */
export function noteSession(exists: boolean): void {
  keep(LIKELY, exists ? "1" : null);
  if (exists) return;
  begun.clear();
  emptyTab();
}
