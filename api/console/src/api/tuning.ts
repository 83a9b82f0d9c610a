/** Experiments of the search core: what was asked, every trial, what came of it. */
import { useQuery } from "@tanstack/react-query";
import { useAct } from "@/hooks/act";
import { useSpeech } from "@/i18n";
import { api, call, type Model } from "./client";
import type { Job } from "./jobs";

export type Experiment = Model<"ExperimentView">;
export type ExperimentDetail = Model<"ExperimentDetail">;
export type ExperimentBody = Model<"ExperimentBody">;
export type ChoiceGraph = Model<"ChoiceGraphView">;
export type Choice = Model<"ChoiceView">;

const MANY = 200; // experiments
const TRIALS = 1000; // of one page
const MAX_TRIALS = 5000; // drawn
const LIVE_MS = 2_000; // between two looks at one that runs

export interface Trial {
  readonly number: number;
  readonly tier: string;
  readonly policy: string;
  /** Null where the trial failed. */
  readonly reward: number | null;
  /** The mean on all working questions; null where a first look ruled it out. */
  readonly whole: number | null;
  readonly seconds: number;
  readonly architecture: { readonly digest: string; readonly choices: Readonly<Record<string, unknown>> };
  readonly cost: { readonly serving_ms: number } | null;
}

/** What a finished run says; fields that a version of the server does not tell are absent. */
export interface Result {
  readonly error?: string;
  readonly default?: Readonly<Record<string, number>>;
  readonly serving?: Readonly<Record<string, number>>;
  readonly tuned?: Readonly<Record<string, number>>;
  /** What was chosen and proven by. */
  readonly metric?: string;
  readonly lift?: number;
  readonly lift_interval?: readonly [number, number];
  readonly p_value?: number;
  /** What the p-value had to be below: less where earlier runs tested on the same questions. */
  readonly level?: number;
  readonly promoted?: boolean;
  readonly reasons?: readonly string[];
  /** Of each reason; stable, as sentences are not. */
  readonly reason_codes?: readonly string[];
  readonly plan?: { readonly id: number | null; readonly digest: string };
  readonly incumbent?: { readonly digest: string };
  readonly architecture?: { readonly digest: string; readonly description: string };
  readonly sealed_questions?: number;
  readonly strata?: readonly Stratum[];
  readonly latency_ms?: { readonly before_ms: number; readonly after_ms: number } | null;
  readonly supervision?: { readonly origin: string; readonly judged: boolean; readonly questions: number; readonly notes: readonly string[] };
  readonly leaderboard?: readonly Leader[];
  readonly stages?: readonly StageResult[];
  readonly seconds?: number;
  readonly trials?: number;
}

export interface StageResult {
  readonly tier: string;
  readonly trials: number;
  readonly seconds: number;
  readonly kept: boolean;
  readonly reason: string;
  readonly sealed?: number;
  /** What words and meaning are worth there, each without the other, and were before the run. */
  readonly legs?: Readonly<Record<"sparse" | "dense", number>>;
  readonly legs_before?: Readonly<Record<"sparse" | "dense", number>>;
  /** Mean gain over the built-in plan on sealed questions, with its interval. */
  readonly over_default?: readonly [number, number, number];
}

export interface Stratum {
  readonly name: string;
  readonly questions: number;
  readonly lift: number;
  readonly low: number;
  readonly high: number;
}

export interface Leader {
  readonly plan: string;
  readonly mean: number;
  readonly chosen: boolean;
  readonly default: boolean;
  readonly architecture: { readonly digest: string; readonly choices: Readonly<Record<string, unknown>> };
}

export function useExperiments(collection: string) {
  return useQuery({
    queryKey: ["experiments", collection],
    queryFn: async () =>
      (await call(api.GET("/v1/experiments", { params: { query: { collection, limit: MANY } } }))).experiments,
    refetchInterval: (query) => (query.state.data?.some((one) => one.state === "running") ? LIVE_MS : false),
  });
}

export function useExperiment(collection: string, experiment: string) {
  return useQuery({
    queryKey: ["experiments", collection, experiment],
    queryFn: () =>
      call(
        api.GET("/v1/experiments/{experiment}", { params: { path: { experiment }, query: { collection } } }),
      ) as Promise<ExperimentDetail>,
    refetchInterval: (query) => (query.state.data?.state === "running" ? LIVE_MS : false),
  });
}

/** Every trial in order; while the experiment runs they are read again. */
export function useTrials(collection: string, experiment: string, runs: boolean) {
  return useQuery({
    queryKey: ["experiments", collection, experiment, "trials", runs],
    queryFn: () => allTrials(collection, experiment),
    refetchInterval: runs ? LIVE_MS : false,
  });
}

async function allTrials(collection: string, experiment: string): Promise<Trial[]> {
  const found: Trial[] = [];
  let cursor: string | undefined;
  do {
    const query = { collection, limit: TRIALS, ...(cursor && { cursor }) };
    const page = await call(api.GET("/v1/experiments/{experiment}/trials", { params: { path: { experiment }, query } }));
    found.push(...(page.trials as unknown as Trial[]));
    cursor = page.next_cursor ?? undefined;
  } while (cursor && found.length < MAX_TRIALS);
  return found;
}

/** The newest job that runs, or ran, the experiment; null where it was forgotten or not started here. */
export function useExperimentJob(collection: string, experiment: string) {
  return useQuery({
    queryKey: ["jobs", "of-experiment", collection, experiment],
    queryFn: async (): Promise<Job | null> => {
      const { jobs } = await call(api.GET("/v1/jobs", { params: { query: { kind: "tune", collection, limit: MANY } } }));
      return jobs.find((job) => job.arguments["experiment"] === experiment) ?? null;
    },
  });
}

export function useStartExperiment(collection: string, then: (id: string) => void) {
  const { t } = useSpeech();
  return useAct({
    act: (body: ExperimentBody) => call(api.POST("/v1/experiments", { body })),
    done: t("tune.started"),
    touches: [["experiments", collection], ["jobs"]],
    then: (made) => then(made.id),
    quiet: true,
  });
}

/** Goes on with an experiment that was stopped or failed. */
export function useResumeExperiment(collection: string) {
  const { t } = useSpeech();
  return useAct({
    act: (experiment: string) => call(api.POST("/v1/jobs", { body: { kind: "tune", collection, arguments: { experiment } } })),
    done: t("tune.resumed"),
    touches: [["experiments", collection], ["jobs"]],
  });
}
