/** The REST API as the browser calls it: typed by the server's own OpenAPI document, errors as one class. */
import createClient, { type Middleware } from "openapi-fetch";
import type { components, paths } from "../../generated/schema";
import { fetchOnce } from "./early";

/** A model of the API's document by its name. */
export type Model<Name extends keyof components["schemas"]> = components["schemas"][Name];

const SAFE_METHODS = new Set(["GET", "HEAD", "OPTIONS"]);
export const CSRF_HEADER = "X-CSRF-Token";

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

/** The token that changes must carry; the session tells it. */
export function setCsrfToken(token: string): void {
  csrf = token;
}

export function csrfToken(): string {
  return csrf;
}

/** What happens when the server no longer knows who we are. */
export function onLoggedOut(action: () => void): void {
  whenLoggedOut = action;
}

const guard: Middleware = {
  onRequest({ request }) {
    if (!SAFE_METHODS.has(request.method) && csrf) request.headers.set(CSRF_HEADER, csrf);
    return request;
  },
};

export const api = createClient<paths>({ baseUrl: "", credentials: "same-origin", fetch: fetchOnce });
api.use(guard);

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
