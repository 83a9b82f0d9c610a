/** Evaluation cases: a question with what is right and what is wrong, saved into a set. */
import { useQuery } from "@tanstack/react-query";
import { useAct } from "@/hooks/act";
import { useSpeech } from "@/i18n";
import { api, call } from "./client";

const MANY = 500;

interface Case {
  readonly set: string;
  readonly text: string;
  /** Document key: 1 right, 0 wrong. */
  readonly judgements: Readonly<Record<string, number>>;
}

/** The names of a collection's sets. */
export function useSetNames(collection: string) {
  return useQuery({
    queryKey: ["eval-sets", collection, "names"],
    queryFn: async () => {
      const { eval_sets } = await call(api.GET("/v1/eval-sets", { params: { query: { collection, limit: MANY } } }));
      return eval_sets.map((one) => one.name);
    },
  });
}

export function useSaveCase(collection: string, then?: () => void) {
  const { t } = useSpeech();
  return useAct({
    act: ({ set, text, judgements }: Case) =>
      call(
        api.POST("/v1/eval-sets/{name}/cases", {
          params: { path: { name: set } },
          body: { collection, text, judgements },
        }),
      ),
    done: (saved) => t("search.case-saved", { set: saved.eval_set }),
    touches: [["eval-sets", collection]],
    then: () => then?.(),
  });
}
