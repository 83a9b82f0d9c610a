/** Every run with what it found and what changed. */
import { ActionIcon, Anchor, Button, Group, Paper, Text, Title, Tooltip } from "@mantine/core";
import { Trash2 } from "lucide-react";
import { type EvalRun, useDeleteRun } from "@/api/evaluation";
import { useAllows } from "@/api/session";
import { useConfirm } from "@/components/confirm";
import { type Column, DataTable } from "@/components/DataTable";
import { Time } from "@/components/Time";
import { measure } from "@/components/Verdict";
import { useSpeech } from "@/i18n";
import { Measured, planOf, RunChange } from "./parts";

interface Props {
  collection: string;
  name: string;
  runs: readonly EvalRun[];
  choose: (pair: readonly [number, number]) => void;
  /** Show the questions of one run. */
  open: (run: number) => void;
}

export function Runs({ collection, name, runs, choose, open }: Props) {
  const { t, language } = useSpeech();
  const allows = useAllows();
  const confirm = useConfirm();
  const remove = useDeleteRun(collection, name);
  const drop = async (run: EvalRun) => {
    const question = { title: t("eval.delete-run", { run: run.id }), body: t("eval.delete-run-text"), action: t("common.delete") };
    if (await confirm({ ...question, danger: true })) remove.mutate(run.id);
  };
  const columns: Column<EvalRun>[] = [
    { head: t("eval.run-number"), cell: (run) => <Opener run={run} open={open} /> },
    { head: t("eval.when"), cell: (run) => <Time value={run.at} /> },
    { head: t("eval.plan"), cell: (run) => planOf(run, t) },
    { head: t("metric.ndcg"), cell: (run) => <Measured run={run} metric="ndcg@10" />, width: 150 },
    { head: t("metric.recall10"), numeric: true, cell: (run) => measure(run.metrics["recall@10"] ?? 0, language) },
    { head: t("eval.latency"), numeric: true, cell: (run) => `${run.p50_ms.toLocaleString(language, { maximumFractionDigits: 1 })} ms` },
    { head: t("eval.since-before"), cell: (run) => <RunChange change={run.change} /> },
    {
      head: t("common.actions"),
      cell: (run) => (
        <Group gap={4}>
          {runs.some((one) => one.id === run.change?.against) && (
            <Button size="compact-xs" variant="default" onClick={() => choose([run.change?.against ?? 0, run.id])}>
              {t("eval.compare-short")}
            </Button>
          )}
          {allows("write") && (
            <Tooltip label={t("eval.delete-run", { run: run.id })}>
              <ActionIcon variant="subtle" color="gray" onClick={() => void drop(run)} aria-label={t("eval.delete-run", { run: run.id })}>
                <Trash2 size={15} aria-hidden />
              </ActionIcon>
            </Tooltip>
          )}
        </Group>
      ),
    },
  ];
  return (
    <Paper withBorder radius="md" p="md">
      <Title order={2} size="h4">
        {t("eval.runs")}
      </Title>
      <Text size="sm" c="dimmed" mb="xs">
        {t("eval.runs-hint")}
      </Text>
      <DataTable name={t("eval.runs")} columns={columns} rows={runs} rowKey={(run) => run.id} leastWidth={700} />
    </Paper>
  );
}

/** The run's number; whoever may see single questions opens them with it. */
function Opener({ run, open }: { run: EvalRun; open: (run: number) => void }) {
  const { t } = useSpeech();
  const allows = useAllows();
  const number = `#${run.id}`;
  const questions = t("eval.questions-of", { run: run.id });
  if (!allows("write")) return <>{number}</>;
  return (
    <Anchor component="button" type="button" size="sm" fw={600} onClick={() => open(run.id)} aria-label={`${number}: ${questions}`}>
      {number}
    </Anchor>
  );
}
