/** A metric over the runs, for all questions or one kind of them. */
import { Group, Select } from "@mantine/core";
import { useMemo, useState } from "react";
import { type EvalRun, type Metric, METRICS } from "@/api/evaluation";
import { ChartCard, RunsChart } from "@/components/charts";
import { useSpeech } from "@/i18n";
import { isRegression, METRIC_HINTS, METRIC_NAMES } from "./parts";

const SHOWN = 40; // newest runs
const ALL = "";

export function Trend({ runs }: { runs: readonly EvalRun[] }) {
  const { t, textOr } = useSpeech();
  const [metric, setMetric] = useState<Metric>("ndcg@10");
  const [kind, setKind] = useState(ALL);
  const kinds = [...new Set(runs.flatMap((run) => run.slices.map((slice) => slice.name)))].sort();
  const points = useMemo(() => pointsOf(runs, metric, kind), [runs, metric, kind]);
  const name = t(METRIC_NAMES[metric]);
  return (
    <ChartCard title={t("eval.over-time")} hint={t(METRIC_HINTS[metric])}>
      <Group gap="xs" mb="xs">
        <Select
          size="xs"
          aria-label={t("eval.metric")}
          data={METRICS.map((value) => ({ value, label: t(METRIC_NAMES[value]) }))}
          value={metric}
          onChange={(value) => setMetric((value ?? "ndcg@10") as Metric)}
          allowDeselect={false}
        />
        <Select
          size="xs"
          aria-label={t("eval.kind")}
          data={[{ value: ALL, label: t("eval.all-questions") }, ...kinds.map((value) => ({ value, label: textOr(`kind.${value}`, value) }))]}
          value={kind}
          onChange={(value) => setKind(value ?? ALL)}
          allowDeselect={false}
        />
      </Group>
      <RunsChart name={t("eval.over-time")} measure={name} worse={t("verdict.worse")} points={points} />
    </ChartCard>
  );
}

function pointsOf(runs: readonly EvalRun[], metric: Metric, kind: string) {
  return runs
    .slice(0, SHOWN)
    .reverse()
    .flatMap((run) => {
      const slice = run.slices.find((one) => one.name === kind);
      if (kind !== ALL && !slice) return [];
      const value = (slice ?? run).metrics[metric] ?? 0;
      const wholes = slice ? (metric === "ndcg@10" ? slice.interval : [value, value]) : run.intervals[metric];
      const [low = value, high = value] = wholes ?? [];
      const worse = kind === ALL ? isRegression(run) : (run.change?.worse_slices.includes(kind) ?? false);
      return [{ label: `#${run.id}`, value, low, high, worse }];
    });
}
