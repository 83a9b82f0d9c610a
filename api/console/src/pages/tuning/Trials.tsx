/** The trials: the best so far over time, and what each candidate would cost beside what it reaches. */
import { Text } from "@mantine/core";
import { useMemo } from "react";
import type { Result, Trial } from "@/api/tuning";
import { ChartCard, CloudChart, TrialChart } from "@/components/charts";
import { Columns } from "@/components/Columns";
import { Empty } from "@/components/Empty";
import { useSpeech } from "@/i18n";

interface Props {
  trials: readonly Trial[];
  result: Result | null;
  runs: boolean;
}

export function Trials({ trials, result, runs }: Props) {
  const { t } = useSpeech();
  const points = useMemo(() => learning(trials), [trials]);
  const clouds = useMemo(() => costs(trials, result), [trials, result]);
  if (trials.length === 0) return <Empty title={t(runs ? "tune.preparing" : "tune.no-trials")}>{runs && t("tune.preparing-text")}</Empty>;
  return (
    <Columns least={400}>
      <ChartCard title={t("tune.learning")} hint={t("tune.learning-hint")}>
        <TrialChart
          name={t("tune.learning")}
          labels={{ reward: t("tune.one-trial"), best: t("tune.best"), number: t("tune.trial") }}
          points={points}
        />
      </ChartCard>
      <ChartCard title={t("tune.cost")} hint={t("tune.cost-hint")}>
        <CloudChart
          name={t("tune.cost")}
          labels={{ x: t("tune.added-ms"), y: t("tune.quality") }}
          clouds={clouds.map(({ label, ...cloud }) => ({ ...cloud, label: t(label) }))}
        />
      </ChartCard>
      {trials.length > 1 && (
        <Text size="xs" c="dimmed">
          {t("tune.trials-note")}
        </Text>
      )}
    </Columns>
  );
}

/** Each trial with the best mean on all working questions until then; before there is one, the best first look. */
function learning(trials: readonly Trial[]) {
  let best = Number.NEGATIVE_INFINITY;
  return trials.flatMap((trial) => {
    const reward = trial.whole ?? trial.reward;
    if (reward === null) return []; // it failed
    if (trial.whole !== null || best === Number.NEGATIVE_INFINITY) best = Math.max(best, reward);
    return [{ number: trial.number, reward, best }];
  });
}

function costs(trials: readonly Trial[], result: Result | null) {
  const chosen = result?.architecture?.digest;
  const seen = new Set<string>();
  const points: { digest: string; x: number; y: number }[] = [];
  for (const trial of trials) {
    const digest = trial.architecture.digest;
    const reached = trial.whole ?? trial.reward;
    if (seen.has(digest) || !trial.cost || reached === null) continue;
    seen.add(digest);
    points.push({ digest, x: trial.cost.serving_ms, y: reached });
  }
  const first = points[0];
  return [
    { label: "tune.tried" as const, colour: "var(--kb-sparse)", points: points.filter((one) => one.digest !== chosen && one !== first) },
    { label: "tune.default-cloud" as const, colour: "var(--mantine-color-dimmed)", points: first ? [first] : [] },
    { label: "tune.chosen" as const, colour: "var(--kb-feedback)", points: points.filter((one) => one.digest === chosen && one !== first) },
  ].filter((cloud) => cloud.points.length > 0);
}
