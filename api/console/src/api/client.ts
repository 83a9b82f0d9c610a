/** The REST API as the browser calls it: typed by the server's own OpenAPI document, errors as one class. */
import createClient from "openapi-fetch";
import type { components, paths } from "../../generated/schema";
import { fetchOnce } from "./early";

/** A model of the API's document by its name. */
export type Model<Name extends keyof components["schemas"]> = components["schemas"][Name];

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);
const CSRF_HEADER = "X-CSRF-Token";

/** What the API answered instead of what was asked for. `status` 0: no answer at all. */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
    readonly detail: unknown = null,
    readonly requestId = "",
  ) {
    super(message);
  }
}

let csrf = "";
let whenLoggedOut: () => void = () => undefined;
let whenTokenRefused: () => Promise<boolean> = () => Promise.resolve(false);

/** The token that changes must carry; the session tells it. */
export function setCsrfToken(token: string): void {
  csrf = token;
}

/** What happens when the server no longer knows who we are. */
export function onLoggedOut(action: () => void): void {
  whenLoggedOut = action;
}

/** What happens when the token is that of another session; true where the change may be asked for again. */
export function onTokenRefused(action: () => Promise<boolean>): void {
  whenTokenRefused = action;
}

/** The answer to a request that changes something; made once more where another tab of this browser logged in anew. */
export async function change(made: () => Request): Promise<Response> {
  const ask = () => {
    const request = made();
    request.headers.set(CSRF_HEADER, csrf);
    return fetch(request);
  };
  const answer = await ask();
  if (answer.status !== 403) return answer;
  const body = (await answer.clone().json().catch(() => null)) as { error?: { code?: string } } | null;
  return body?.error?.code === "csrf" && (await whenTokenRefused()) ? ask() : answer;
}

export const api = createClient<paths>({
  baseUrl: "",
  credentials: "same-origin",
  fetch: async (request) => {
    if (SAFE_METHODS.has(request.method)) return fetchOnce(request);
    const body = (await request.text()) || undefined; // JSON; to be read again where it is sent again
    return change(() => new Request(request, { body }));
  },
});

/** What openapi-fetch resolves to, reduced to what `call` needs. */
interface Answer<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** The body of a successful answer. Throws `ApiError`. */
export async function call<T>(request: Promise<Answer<T>>): Promise<T> {
  let answer: Answer<T>;
  try {
    answer = await request;
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new ApiError(0, "unreachable", "");
  }
  if (answer.response.ok) return answer.data as T;
  throw failure(answer.response, answer.error);
}

/** The error that a refused response stands for; ends the session's pages where it was a 401. */
export function failure(response: Response, body: unknown): ApiError {
  if (response.status === 401) whenLoggedOut();
  const told = (body as { error?: Partial<Model<"ErrorDetail">> } | undefined)?.error;
  const id = told?.request_id ?? response.headers.get("X-Request-Id") ?? "";
  return new ApiError(response.status, told?.code ?? "failed", told?.message ?? response.statusText, told?.detail, id);
}
