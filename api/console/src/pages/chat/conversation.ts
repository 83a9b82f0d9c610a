/** The conversation with a collection: kept while one is logged in, also over a reload, forgotten with the session. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { type Citation, type FinalAnswer, streamAnswer } from "@/api/answers";
import { ApiError } from "@/api/client";
import type { Hit } from "@/api/search";
import { useSession } from "@/api/session";
import { keepInTab, keptInTab } from "@/lib/storage";

export interface Exchange {
  readonly id: string;
  readonly question: string;
  readonly text: string;
  readonly citations: readonly Citation[];
  /** The passages that the answer was read from. */
  readonly read: readonly Hit[];
  readonly state: "writing" | "done" | "stopped" | "failed";
  readonly final: FinalAnswer | null;
  readonly error: unknown;
  /** What the person thought of it; null until that is stored. */
  readonly opinion: Opinion | null;
}

export interface Opinion {
  readonly rating: 1 | -1;
  /** Whether what was cited is right, however the answer was. */
  readonly citedRight: boolean;
}

const MAX_TURNS = 20; // told to the server; a question seldom leans on older ones

export function useConversation(collection: string, groups: readonly string[]) {
  const client = useQueryClient();
  const { csrf } = useSession();
  const key = ["chat", collection];
  const exchanges = useQuery<readonly Exchange[]>({
    queryKey: key,
    queryFn: () => [],
    initialData: () => restored(collection, csrf),
    staleTime: Infinity,
    gcTime: Infinity,
  }).data;
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);
  const states = exchanges.map((one) => `${one.id} ${one.state} ${one.opinion?.rating}`).join();
  useEffect(() => {
    store(collection, csrf, client.getQueryData<readonly Exchange[]>(["chat", collection]) ?? []);
  }, [client, collection, csrf, states]);

  const change = (id: string, part: (one: Exchange) => Partial<Exchange>) =>
    client.setQueryData<readonly Exchange[]>(key, (all = []) =>
      all.map((one) => (one.id === id ? { ...one, ...part(one) } : one)),
    );

  const ask = async (question: string) => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    const id = `${Date.now()} ${Math.random()}`;
    const nothing = { text: "", citations: [], read: [], final: null, error: null, opinion: null };
    const begun: Exchange = { ...nothing, id, question, state: "writing" };
    const before = client.getQueryData<readonly Exchange[]>(key) ?? [];
    client.setQueryData<readonly Exchange[]>(key, [...before, begun]);
    const body = {
      question,
      collection,
      stream: true,
      history: turnsOf(before),
      as_groups: groups.length > 0 ? [...groups] : null,
    };
    try {
      for await (const event of streamAnswer(body, controller.signal)) {
        if (event.name === "search_results") change(id, () => ({ read: event.data.hits }));
        if (event.name === "message") change(id, (one) => ({ text: one.text + event.data.text }));
        if (event.name === "citation") change(id, (one) => ({ citations: [...one.citations, event.data] }));
        if (event.name === "final_answer") {
          // The last word: an answer may have been corrected while it was written.
          const { answer, citations } = event.data;
          change(id, () => ({ text: answer, citations, final: event.data, state: "done" }));
        }
      }
    } catch (error) {
      change(id, () => (controller.signal.aborted ? { state: "stopped" } : { state: "failed", error }));
    }
  };

  return {
    exchanges,
    isWriting: exchanges.some((one) => one.state === "writing"),
    ask,
    judge: (id: string, opinion: Opinion) => change(id, () => ({ opinion })),
    stop: () => running.current?.abort(),
    begin: () => {
      running.current?.abort();
      client.setQueryData(key, []);
    },
  };
}

function turnsOf(exchanges: readonly Exchange[]) {
  return exchanges
    .filter((one) => one.state === "done" && one.text.trim() !== "")
    .slice(-MAX_TURNS / 2)
    .flatMap((one) => [
      { role: "user" as const, text: one.question },
      { role: "assistant" as const, text: one.text },
    ]);
}

interface Stored {
  /** Of the session it was had in: another may read other documents. */
  readonly session: string;
  readonly exchanges: readonly Exchange[];
}

const stored = (collection: string) => `kb-chat-2 ${collection}`; // the number changes with what an exchange is

function store(collection: string, session: string, exchanges: readonly Exchange[]): void {
  const kept: Stored = { session, exchanges: exchanges.map((one) => ({ ...one, error: told(one.error) })) };
  keepInTab(stored(collection), exchanges.length > 0 ? JSON.stringify(kept) : null);
}

/** What is kept of an error: the parts of one that the API answered, else its words. */
function told(error: unknown): unknown {
  if (error === null) return null;
  return error instanceof ApiError ? { ...error, message: error.message } : String(error);
}

function untold(kept: unknown): unknown {
  if (typeof kept !== "object" || kept === null) return kept;
  const { status, code, message, detail, requestId } = kept as ApiError;
  return new ApiError(status, code, message, detail, requestId);
}

/** The conversation before a reload; what was not answered to its end can be asked again. */
function restored(collection: string, session: string): readonly Exchange[] {
  const text = keptInTab(stored(collection));
  if (text === null) return [];
  const kept = JSON.parse(text) as Stored;
  if (kept.session !== session) return [];
  return kept.exchanges.map((one) => ({
    ...one,
    state: one.state === "writing" ? "stopped" : one.state,
    error: untold(one.error),
  }));
}
