/** The last hour of the process that answers, in steps of ten seconds. */
import { Stack, Text, Title } from "@mantine/core";
import { useMemo } from "react";
import type { Model } from "@/api/client";
import { useSession } from "@/api/session";
import { ChartCard, type Point, TimeChart } from "@/components/charts";
import { Columns } from "@/components/Columns";
import { useSpeech } from "@/i18n";

type Step = Model<"StepView">;

export function LastHour({ steps }: { steps: readonly Step[] }) {
  const { t } = useSpeech();
  const session = useSession();
  const points = useMemo(() => steps.map(pointOf), [steps]);
  const one = (key: string, label: string, colour: string) => ({ key, label, colour });
  return (
    <Stack gap="sm">
      <Title order={2} size="h4">
        {t("overview.last-hour")}
      </Title>
      {points.length === 0 ? (
        <Text c="dimmed" size="sm">
          {t(session.collections == null ? "overview.no-history" : "overview.no-history-right")}
        </Text>
      ) : (
        <Columns align="stretch">
          <ChartCard title={t("overview.chart-latency")} hint={t("overview.chart-latency-hint")}>
            {points.every((point) => point["p50"] == null) ? (
              <Text size="sm">{t("overview.no-searches")}</Text>
            ) : (
              <TimeChart
                name={t("overview.chart-latency")}
                points={points}
                unit="ms"
                series={[one("p50", t("overview.p50"), "var(--kb-sparse)"), one("p95", t("overview.p95"), "var(--kb-feedback)")]}
              />
            )}
          </ChartCard>
          <ChartCard title={t("overview.chart-requests")} hint={t("overview.chart-requests-hint")}>
            <TimeChart
              name={t("overview.chart-requests")}
              points={points}
              series={[
                one("requests", t("overview.requests"), "var(--kb-sparse)"),
                one("errors", t("overview.errors"), "var(--kb-rerank)"),
              ]}
            />
          </ChartCard>
          <ChartCard title={t("overview.chart-written")} hint={t("overview.chart-written-hint")}>
            <TimeChart
              name={t("overview.chart-written")}
              points={points}
              series={[one("operations", t("overview.chart-written"), "var(--kb-graph)")]}
            />
          </ChartCard>
          <ChartCard title={t("overview.chart-queue")} hint={t("overview.chart-queue-hint")}>
            <TimeChart
              name={t("overview.chart-queue")}
              points={points}
              series={[
                one("lag", t("overview.lag-short"), "var(--kb-feedback)"),
                one("jobs", t("overview.open-jobs"), "var(--kb-dense)"),
              ]}
            />
          </ChartCard>
        </Columns>
      )}
    </Stack>
  );
}

function pointOf(step: Step): Point {
  return {
    at: Date.parse(step.at),
    p50: step.p50_ms,
    p95: step.p95_ms,
    requests: step.requests,
    errors: step.errors,
    operations: step.operations,
    lag: step.lag,
    jobs: step.open_jobs,
  };
}
