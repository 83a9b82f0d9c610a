/** Asking a collection: the native stream of events, read as they come. */
import { ApiError, change, failure, type Model } from "./client";

type AnswerBody = Model<"AnswerBody">;
export type FinalAnswer = Model<"AnswerResponse">;
export type Citation = Model<"Citation">;
type SearchResult = Model<"SearchResponse">;

type AnswerEvent =
  | { readonly name: "search_results"; readonly data: SearchResult }
  | { readonly name: "message"; readonly data: { readonly text: string } }
  | { readonly name: "citation"; readonly data: Citation }
  | { readonly name: "final_answer"; readonly data: FinalAnswer }
  | { readonly name: "error"; readonly data: { readonly code: string; readonly message: string } };

/** The events of an answer. Throws `ApiError`, also where the stream breaks off; ends silently when aborted. */
export async function* streamAnswer(body: AnswerBody, signal: AbortSignal): AsyncGenerator<AnswerEvent> {
  const response = await ask(body, signal);
  if (response.body === null) throw new ApiError(0, "unreachable", "");
  let ended = false;
  for await (const event of eventsOf(response.body)) {
    if (event.name === "error") throw new ApiError(response.status, event.data.code, event.data.message);
    ended = event.name === "final_answer";
    yield event;
  }
  if (!ended && !signal.aborted) throw new ApiError(0, "unreachable", "");
}

async function ask(body: AnswerBody, signal: AbortSignal): Promise<Response> {
  const headers = { "Content-Type": "application/json", Accept: "text/event-stream" };
  let response: Response;
  try {
    response = await change(() => new Request("/v1/answers", { method: "POST", headers, body: JSON.stringify(body), signal }));
  } catch (error) {
    if (signal.aborted) throw error;
    throw new ApiError(0, "unreachable", "");
  }
  if (!response.ok) throw failure(response, await response.json().catch(() => undefined));
  return response;
}

/** Server-sent events of a body: `event:` and `data:` lines, an empty line after each. */
async function* eventsOf(body: ReadableStream<Uint8Array>): AsyncGenerator<AnswerEvent> {
  const reader = body.getReader();
  const decoder = new TextDecoder(); // keeps the half of a character that ends a piece
  let waiting = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    waiting += decoder.decode(value, { stream: true }).replaceAll("\r\n", "\n");
    const blocks = waiting.split("\n\n");
    waiting = blocks.pop() ?? "";
    for (const block of blocks) {
      const event = eventOf(block);
      if (event) yield event;
    }
  }
}

function eventOf(block: string): AnswerEvent | null {
  const lines = block.split("\n");
  const name = lines.find((line) => line.startsWith("event:"))?.slice(6).trim();
  const data = lines.filter((line) => line.startsWith("data:")).map((line) => line.slice(5).trim());
  if (!name || data.length === 0) return null; // a comment that keeps the connection open
  return { name, data: JSON.parse(data.join("\n")) } as AnswerEvent;
}
