/** The run log: what each reading did, and for live sources what each minute did; and where the time went. */
import { Paper, Stack, Text, Title } from "@mantine/core";
import { type Run, useRuns } from "@/api/sources";
import { BarsChart, ChartCard } from "@/components/charts";
import { type Column, DataTable } from "@/components/DataTable";
import { Loaded } from "@/components/Loaded";
import { Pager } from "@/components/Pager";
import { Time } from "@/components/Time";
import { useSpeech } from "@/i18n";

const STAGES = ["parse", "map", "prepare", "encode", "commit"] as const;

export function Runs({ collection, source }: { collection: string; source: string }) {
  const { t } = useSpeech();
  const { query, ...pages } = useRuns(collection, source);
  return (
    <Stack gap="lg">
      <Paper withBorder radius="md" p="md">
        <Title order={2} size="h4">
          {t("sources.runs")}
        </Title>
        <Text size="sm" c="dimmed" mb="xs">
          {t("sources.runs-hint")}
        </Text>
        <Loaded query={query}>
          {(page) =>
            page.runs.length === 0 ? (
              <Text size="sm">{t("sources.no-runs")}</Text>
            ) : (
              <Stack gap="sm">
                <RunTable runs={page.runs} />
                <Pager {...pages} />
              </Stack>
            )
          }
        </Loaded>
      </Paper>
      {query.data && <Stages runs={query.data.runs} />}
    </Stack>
  );
}

function RunTable({ runs }: { runs: readonly Run[] }) {
  const { t, language } = useSpeech();
  const count = (outcome: string) => (run: Run) => (run.outcomes[outcome] ?? 0).toLocaleString(language);
  const columns: Column<Run>[] = [
    { head: t("sources.when"), cell: (run) => <Time value={run.began_at} /> },
    { head: t("sources.run-kind"), cell: (run) => <How run={run} />, width: "24%", long: true },
    { head: t("sources.outcome.created"), numeric: true, cell: count("created") },
    {
      head: t("sources.outcome.updated"),
      numeric: true,
      cell: (run) => ((run.outcomes["updated"] ?? 0) + (run.outcomes["metadata"] ?? 0)).toLocaleString(language),
    },
    { head: t("sources.outcome.deleted"), numeric: true, cell: count("deleted") },
    { head: t("sources.outcome.skipped"), numeric: true, cell: (run) => skipped(run).toLocaleString(language) },
    {
      head: t("sources.outcome.failed"),
      numeric: true,
      cell: (run) => (
        <Text size="sm" c={run.failed > 0 ? "red" : undefined} fw={run.failed > 0 ? 700 : undefined}>
          {run.failed.toLocaleString(language)}
        </Text>
      ),
    },
  ];
  return <DataTable name={t("sources.runs")} columns={columns} rows={runs} rowKey={(run) => run.id} leastWidth={700} />;
}

function How({ run }: { run: Run }) {
  const { t } = useSpeech();
  if (run.error) {
    return (
      <Text size="sm" c="red">
        {t("sources.run-failed", { why: run.error })}
      </Text>
    );
  }
  if (run.kind === "stream") return t("sources.run-stream", { count: run.events });
  const seconds = Math.max(0, (Date.parse(run.ended_at) - Date.parse(run.began_at)) / 1000);
  return t("sources.run-reading", { seconds: Math.round(seconds * 10) / 10 });
}

/** What was there already, or older than what is there. */
function skipped(run: Run): number {
  return (run.outcomes["unchanged"] ?? 0) + (run.outcomes["stale"] ?? 0) + (run.outcomes["absent"] ?? 0);
}

/** Milliseconds of each stage for an event, over the entries shown. */
function Stages({ runs }: { runs: readonly Run[] }) {
  const { t } = useSpeech();
  const streams = runs.filter((run) => run.kind === "stream");
  const events = streams.reduce((sum, run) => sum + run.events, 0);
  if (events === 0) return null;
  const bars = STAGES.map((stage) => {
    const seconds = streams.reduce((sum, run) => sum + (run.stages[stage] ?? 0), 0);
    return { label: t(`sources.stage.${stage}`), value: Math.round((seconds / events) * 100_000) / 100 };
  });
  return (
    <ChartCard title={t("sources.stages")} hint={t("sources.stages-hint", { count: events })}>
      <BarsChart name={t("sources.stages")} bars={bars} colour="var(--kb-dense)" height={170} />
    </ChartCard>
  );
}
