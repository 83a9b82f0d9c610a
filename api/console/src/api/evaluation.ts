/** Evaluation sets, their runs over time, and what changed between two. */
import { useQuery } from "@tanstack/react-query";
import { useAct } from "@/hooks/act";
import { useSpeech } from "@/i18n";
import { api, call, type Model } from "./client";

export type EvalSet = Model<"EvalSetView">;
export type EvalRun = Model<"EvalRun">;
export type Comparison = Model<"EvalComparison">;
export type MetricChange = Model<"MetricChange">;
export type RunQuestion = Model<"RunQuestion">;
/** A question that says which documents are right; the pages make no others. */
export type NewQuestion = Model<"EvalQuestion"> & { judgements: Record<string, number> };

export const METRICS = ["ndcg@10", "mrr@10", "recall@10", "recall@100"] as const;
export type Metric = (typeof METRICS)[number];
const MANY = 500; // sets or runs of one page
const FEEDBACK = 1000; // judgements that are shown before a set is made of them

const setsKey = (collection: string) => ["eval-sets", collection] as const;
const runsKey = (collection: string, name: string) => ["eval-runs", collection, name] as const;

export function useEvalSets(collection: string) {
  return useQuery({
    queryKey: setsKey(collection),
    queryFn: async () => (await call(api.GET("/v1/eval-sets", { params: { query: { collection, limit: MANY } } }))).eval_sets,
  });
}

/** The runs of a set, newest first. */
export function useEvalRuns(collection: string, name: string) {
  return useQuery({
    queryKey: runsKey(collection, name),
    queryFn: async () => {
      const params = { path: { name }, query: { collection, limit: MANY } };
      return (await call(api.GET("/v1/eval-sets/{name}/runs", { params }))).runs as EvalRun[]; // pairs became lists
    },
  });
}

export function useComparison(collection: string, name: string, run: number | null, against: number | null) {
  return useQuery({
    queryKey: [...runsKey(collection, name), "comparison", run, against],
    queryFn: () => {
      const params = { path: { name, run: String(run) }, query: { collection, against: String(against) } };
      return call(api.GET("/v1/eval-sets/{name}/runs/{run}/comparison", { params })) as Promise<Comparison>;
    },
    enabled: run !== null && against !== null,
    staleTime: Infinity, // both runs stay what they are
  });
}

export interface QuestionsAsked {
  readonly run: number;
  readonly against: number | null;
  readonly metric: Metric;
  readonly order: "worst" | "best";
}

export function fetchRunQuestions(collection: string, name: string, asked: QuestionsAsked, limit: number, cursor?: string) {
  const { run, against, metric, order } = asked;
  const query = { collection, metric, order, limit, ...(against !== null && { against: String(against) }), ...(cursor && { cursor }) };
  return call(api.GET("/v1/eval-sets/{name}/runs/{run}/questions", { params: { path: { name, run: String(run) }, query } }));
}

export const questionsKey = (collection: string, name: string, asked: QuestionsAsked) => [
  ...runsKey(collection, name),
  "questions",
  asked,
];

/** Stores a set; without `queries` it is made of all feedback, which the server sums up itself. */
export function useCreateEvalSet(collection: string, then: (name: string) => void) {
  const { t } = useSpeech();
  return useAct({
    act: ({ name, queries }: { name: string; queries?: NewQuestion[] }) =>
      call(
        queries
          ? api.POST("/v1/eval-sets", { body: { collection, name, queries } })
          : api.POST("/v1/eval-sets:from-feedback", { body: { collection, name } }),
      ),
    done: (made) => t("eval.created", { name: made.name, count: made.queries }),
    touches: [setsKey(collection)],
    then: (made) => then(made.name),
    quiet: true,
  });
}

export function useDeleteEvalSet(collection: string, then: () => void) {
  const { t } = useSpeech();
  return useAct({
    act: (name: string) => call(api.DELETE("/v1/eval-sets/{name}", { params: { path: { name }, query: { collection } } })),
    done: (_, name) => t("eval.deleted", { name }),
    touches: [setsKey(collection)],
    then,
  });
}

export function useDeleteRun(collection: string, name: string) {
  const { t } = useSpeech();
  return useAct({
    act: (run: number) =>
      call(api.DELETE("/v1/eval-sets/{name}/runs/{run}", { params: { path: { name, run: String(run) }, query: { collection } } })),
    done: (_, run) => t("eval.run-deleted", { run }),
    touches: [runsKey(collection, name)],
  });
}

/** Runs the set; a large one becomes a job, which the jobs page shows. */
export function useRunSet(collection: string, name: string) {
  const { t } = useSpeech();
  return useAct({
    act: (plan: number | "default" | null) =>
      call(
        api.POST("/v1/eval-sets/{name}/runs", {
          params: { path: { name } },
          body: { collection, plan, background: false },
        }) as Promise<{ data?: EvalRun | Model<"JobView">; error?: unknown; response: Response }>,
      ),
    done: (found) => ("kind" in found ? t("eval.run-queued") : t("eval.run-done")),
    touches: [runsKey(collection, name), ["jobs"]],
  });
}

/** What people thought of results, newest first. */
export function useFeedback(collection: string, enabled: boolean) {
  return useQuery({
    queryKey: ["feedback", collection],
    queryFn: async () =>
      (await call(api.GET("/v1/feedback", { params: { query: { collection, limit: FEEDBACK } } }))).feedback,
    enabled,
  });
}
