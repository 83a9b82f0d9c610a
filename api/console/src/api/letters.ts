/** Dead letters: inputs that could not become documents. */
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { useAct } from "@/hooks/act";
import { usePages } from "@/hooks/pages";
import { useSpeech } from "@/i18n";
import { api, call, type Model } from "./client";

export type Letter = Model<"DeadLetterView">;
export type LetterRow = Model<"LetterRow">;

const SHOWN = 50;
const AT_ONCE = 50; // of a replay: each letter is a transaction, and the bar should move

/** Letters in the order they came; another `round` begins at the first page. */
export function useLetters(collection: string, source: string | undefined, round: number) {
  return usePages(["letters", collection, source ?? "", round], (cursor) =>
    call(api.GET("/v1/dead-letters", { params: { query: { collection, source, cursor, limit: SHOWN } } })),
  );
}

/** One letter with what was received, and what is stored of the same row. */
export function useLetter(collection: string, id: number) {
  return useQuery({
    queryKey: ["letters", collection, "one", id],
    queryFn: () =>
      call(api.GET("/v1/dead-letters/{letter_id}", { params: { path: { letter_id: id }, query: { collection } } })),
  });
}

const touched = (collection: string) => [["letters"], ["sources"], ["overview"], ["content", collection]] as const;

export function useReplayOne(collection: string, settled: (told: Model<"Replay">) => void) {
  return useAct({
    act: (id: number) =>
      call(api.POST("/v1/dead-letters/{letter_id}/replay", { params: { path: { letter_id: id }, query: { collection } } })),
    touches: touched(collection),
    then: settled,
  });
}

export function useDropOne(collection: string, then: () => void) {
  const { t } = useSpeech();
  return useAct({
    act: (id: number) =>
      call(api.DELETE("/v1/dead-letters/{letter_id}", { params: { path: { letter_id: id }, query: { collection } } })),
    done: t("letters.dropped", { count: 1 }),
    touches: touched(collection),
    then,
  });
}

export function useDropAll(collection: string, source?: string) {
  const { t } = useSpeech();
  return useAct({
    act: () => call(api.DELETE("/v1/dead-letters", { params: { query: { collection, source } } })),
    done: (told) => t("letters.dropped", { count: told.dropped }),
    touches: touched(collection),
  });
}

export interface Outcome {
  replayed: number;
  failed: number;
  failures: Model<"ReplayFailure">[];
}

/** Try every letter once more, some at a time; `progress` counts those tried. */
export function useReplayAll(collection: string, source?: string) {
  const [progress, setProgress] = useState(0);
  const act = useAct({
    act: async (): Promise<Outcome> => {
      const sum: Outcome = { replayed: 0, failed: 0, failures: [] };
      setProgress(0);
      let cursor: string | null | undefined;
      do {
        const query = { collection, source, limit: AT_ONCE, cursor: cursor ?? undefined };
        const told = await call(api.POST("/v1/dead-letters/replay", { params: { query } }));
        sum.replayed += told.replayed;
        sum.failed += told.failed;
        sum.failures.push(...told.failures.slice(0, Math.max(0, 20 - sum.failures.length)));
        setProgress(sum.replayed + sum.failed);
        cursor = told.next_cursor;
      } while (cursor);
      return sum;
    },
    touches: touched(collection),
  });
  return { ...act, progress };
}
