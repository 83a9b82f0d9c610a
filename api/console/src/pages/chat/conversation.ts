/** The conversation with a collection: kept while one is logged in, forgotten with the session. */
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useEffect, useRef } from "react";
import { type Citation, type FinalAnswer, streamAnswer } from "@/api/answers";
import type { Hit } from "@/api/search";

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
}

const MOST_TURNS = 20; // told to the server; a question seldom leans on older ones

export function useConversation(collection: string, groups: readonly string[]) {
  const client = useQueryClient();
  const key = ["chat", collection];
  const exchanges = useQuery<readonly Exchange[]>({
    queryKey: key,
    queryFn: () => [],
    initialData: [],
    staleTime: Infinity,
    gcTime: Infinity,
  }).data;
  const running = useRef<AbortController | null>(null);
  useEffect(() => () => running.current?.abort(), []);

  const change = (id: string, part: (one: Exchange) => Partial<Exchange>) =>
    client.setQueryData<readonly Exchange[]>(key, (all = []) =>
      all.map((one) => (one.id === id ? { ...one, ...part(one) } : one)),
    );

  const ask = async (question: string) => {
    running.current?.abort();
    const controller = new AbortController();
    running.current = controller;
    const id = `${Date.now()} ${Math.random()}`;
    const begun: Exchange = { id, question, text: "", citations: [], read: [], state: "writing", final: null, error: null };
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
    .slice(-MOST_TURNS / 2)
    .flatMap((one) => [
      { role: "user" as const, text: one.question },
      { role: "assistant" as const, text: one.text },
    ]);
}
