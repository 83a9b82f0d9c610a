/** What the newest run is worth on each kind of question. */
import { Paper, Text, Title } from "@mantine/core";
import type { EvalRun } from "@/api/evaluation";
import { type Column, DataTable } from "@/components/DataTable";
import { Interval } from "@/components/Interval";
import { measure } from "@/components/Verdict";
import { useSpeech } from "@/i18n";

type Slice = EvalRun["slices"][number];
const FEW = 10; // questions; an interval of fewer says little

export function Slices({ run }: { run: EvalRun }) {
  const { t, textOr, language } = useSpeech();
  const worse = new Set(run.change?.worse_slices);
  const columns: Column<Slice>[] = [
    {
      head: t("eval.kind"),
      cell: (one) => (
        <Text size="sm" c={worse.has(one.name) ? "red" : undefined} fw={worse.has(one.name) ? 600 : undefined}>
          {textOr(`kind.${one.name}`, one.name)}
        </Text>
      ),
    },
    {
      head: t("eval.questions"),
      numeric: true,
      cell: (one) => (one.queries < FEW ? t("eval.few", { count: one.queries }) : one.queries.toLocaleString(language)),
    },
    { head: t("metric.ndcg"), numeric: true, cell: (one) => measure(one.metrics["ndcg@10"] ?? 0, language) },
    {
      head: t("eval.range"),
      cell: (one) => (
        <Interval
          mean={one.metrics["ndcg@10"] ?? 0}
          interval={one.interval}
          range={[0, 1]}
          look={worse.has(one.name) ? "worse" : "plain"}
        />
      ),
    },
    { head: t("metric.recall10"), numeric: true, cell: (one) => measure(one.metrics["recall@10"] ?? 0, language) },
  ];
  return (
    <Paper withBorder radius="md" p="md">
      <Title order={2} size="h4">
        {t("eval.by-kind", { run: run.id })}
      </Title>
      <Text size="sm" c="dimmed" mb="xs">
        {t("eval.by-kind-hint")}
      </Text>
      <DataTable name={t("eval.kinds")} columns={columns} rows={run.slices} rowKey={(one) => one.name} leastWidth={520} />
    </Paper>
  );
}
