/** What a person may wish of an experiment, with what most wish. */
import type { ExperimentBody } from "@/api/tuning";

export type Wishes = Required<Omit<ExperimentBody, "collection">>;

export const BUDGETS = ["30s", "2m", "5m", "15m", "1h"] as const;

/** What is searched beyond the plan, which always is, in the order in which it is. */
export const TIERS = ["adapter", "graph", "encoder", "ranker", "precedents"] as const;

/** Encoders that are fetched by name: retrieval/encoder/pretrained.py. */
export const ENCODERS = ["bge-small-zh-v1.5", "bge-small-en-v1.5"] as const;

/** What is chosen and proven by. */
export const METRICS = ["ndcg@10", "ndcg@100", "recall@5", "recall@10", "mrr@10"] as const;

/** The task's own. */
export const OWN_METRIC = "";

export const ROLLOUTS = ["none", "shadow", "canary"] as const;

export const BEGINNING: Wishes = {
  task: "text-to-graph",
  search_space: "gnn-lm-v1",
  policy: "auto",
  tiers: "",
  max_epochs: 50,
  budget: "5m",
  seed: 0,
  eval_set: "",
  made_questions: false,
  split: "document",
  metric: OWN_METRIC,
  latency_ms: null,
  promote: true,
  rollout: "none",
  tensorboard: false,
  encoders: "",
  device: "cpu",
  threads: 1,
  fast: false,
};
