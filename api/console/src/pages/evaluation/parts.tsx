/** What several places of the evaluation pages show. */
import { Stack, Text } from "@mantine/core";
import type { EvalRun, Metric } from "@/api/evaluation";
import { Interval } from "@/components/Interval";
import { measure, signed, Verdict } from "@/components/Verdict";
import { type PlainKey, useSpeech } from "@/i18n";

export const METRIC_NAMES: Readonly<Record<Metric, PlainKey>> = {
  "ndcg@10": "metric.ndcg",
  "mrr@10": "metric.mrr",
  "recall@10": "metric.recall10",
  "recall@100": "metric.recall100",
};

export const METRIC_HINTS: Readonly<Record<Metric, PlainKey>> = {
  "ndcg@10": "metric.ndcg-hint",
  "mrr@10": "metric.mrr-hint",
  "recall@10": "metric.recall10-hint",
  "recall@100": "metric.recall100-hint",
};

const UNIT = [0, 1] as const;
const DIGEST_SHOWN = 8; // characters: enough to tell runs of different plans apart

/** What a run's plan is called; one that is not stored has no name but the beginning of its digest. */
export function planOf(run: EvalRun, t: ReturnType<typeof useSpeech>["t"]): string {
  return run.plan_name || t("eval.unnamed-plan", { digest: String(run.plan["digest"]).slice(0, DIGEST_SHOWN) });
}

/** A metric of a run with its interval. */
export function Measured({ run, metric }: { run: EvalRun; metric: Metric }) {
  const { t, language } = useSpeech();
  const mean = run.metrics[metric] ?? 0;
  const interval = run.intervals[metric] ?? ([mean, mean] as const);
  const told = t("eval.interval", { low: measure(interval[0], language), high: measure(interval[1], language) });
  return (
    <Stack gap={0} miw={120}>
      <Text size="sm" fw={600} component="span">
        {measure(mean, language)}{" "}
        <Text size="xs" c="dimmed" component="span" fw={400}>
          {told}
        </Text>
      </Text>
      <Interval mean={mean} interval={interval} range={UNIT} />
    </Stack>
  );
}

/** What changed since the run before: worse wins over better. */
export function RunChange({ change }: { change: EvalRun["change"] }) {
  const { t, language } = useSpeech();
  if (!change) return <Text size="sm" c="dimmed">{t("eval.first-run")}</Text>;
  const difference = change.difference == null ? undefined : signed(change.difference, language);
  const isWorse = change.worse.length > 0 || change.worse_slices.length > 0;
  const verdict = isWorse ? "worse" : change.better.length > 0 ? "better" : "alike";
  return <Verdict value={verdict} mean={change.difference ?? 0} detail={difference} />;
}

/** Whether the run is a regression: worse than the one before by more than chance, on all or on one kind of question. */
export function isRegression(run: EvalRun): boolean {
  return run.change != null && (run.change.worse.length > 0 || run.change.worse_slices.length > 0);
}
