/** Two runs beside each other: metrics, kinds of question, and the questions that lost or gained. */
import { Alert, Group, Paper, Select, Stack, Text, Title } from "@mantine/core";
import { type Comparison, type EvalRun, type Metric, type MetricChange, METRICS, useComparison } from "@/api/evaluation";
import { type Column, DataTable } from "@/components/DataTable";
import { Interval } from "@/components/Interval";
import { Loaded } from "@/components/Loaded";
import { measure, signed, Verdict } from "@/components/Verdict";
import { useSpeech } from "@/i18n";
import { METRIC_NAMES, planOf } from "./parts";
import { Questions } from "./Questions";

interface Props {
  collection: string;
  name: string;
  runs: readonly EvalRun[];
  earlier: number;
  later: number;
  choose: (pair: readonly [number, number]) => void;
  withQuestions: boolean;
}

export function Compare({ collection, name, runs, earlier, later, choose, withQuestions }: Props) {
  const { t } = useSpeech();
  const comparison = useComparison(collection, name, later, earlier);
  const choices = runs.map((run) => ({ value: String(run.id), label: `#${run.id} · ${planOf(run, t)}` }));
  return (
    <Paper withBorder radius="md" p="md" id="compare">
      <Title order={2} size="h4">
        {t("eval.compare")}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t("eval.compare-hint")}
      </Text>
      <Group gap="sm" mb="md">
        <Select
          size="sm"
          label={t("eval.earlier")}
          data={choices}
          value={String(earlier)}
          onChange={(value) => choose([Number(value), later])}
          allowDeselect={false}
        />
        <Select
          size="sm"
          label={t("eval.later")}
          data={choices}
          value={String(later)}
          onChange={(value) => choose([earlier, Number(value)])}
          allowDeselect={false}
        />
      </Group>
      <Loaded query={comparison}>{(found) => <Differences found={found} />}</Loaded>
      {withQuestions ? (
        <Questions collection={collection} name={name} run={later} against={earlier} />
      ) : (
        <Text size="sm" c="dimmed" mt="md">
          {t("eval.questions-right")}
        </Text>
      )}
    </Paper>
  );
}

interface Row {
  readonly name: string;
  readonly queries: number;
  readonly change: Omit<MetricChange, "p_value">;
}

function Differences({ found }: { found: Comparison }) {
  const { t, textOr, language } = useSpeech();
  const rows: Row[] = [
    ...METRICS.flatMap((metric: Metric) => {
      const change = found.metrics[metric];
      return change ? [{ name: t(METRIC_NAMES[metric]), queries: found.questions, change }] : [];
    }),
    ...found.slices.map((slice) => ({
      name: t("eval.slice-of", { kind: textOr(`kind.${slice.name}`, slice.name) }),
      queries: slice.queries,
      change: slice,
    })),
  ];
  const reach = Math.max(0.01, ...rows.flatMap((row) => row.change.interval.map(Math.abs)));
  const columns: Column<Row>[] = [
    { head: t("eval.metric"), cell: (row) => row.name },
    { head: t("eval.questions"), numeric: true, cell: (row) => row.queries.toLocaleString(language) },
    { head: t("eval.before"), numeric: true, cell: (row) => measure(row.change.before, language) },
    { head: t("eval.after"), numeric: true, cell: (row) => measure(row.change.after, language) },
    {
      head: t("eval.difference"),
      numeric: true,
      cell: (row) => (
        <Text size="sm" fw={600} c={row.change.verdict === "worse" ? "red" : undefined}>
          {signed(row.change.mean, language)}
        </Text>
      ),
    },
    {
      head: t("eval.range"),
      cell: (row) => <Interval mean={row.change.mean} interval={row.change.interval} range={[-reach, reach]} look={row.change.verdict} />,
    },
    { head: t("eval.verdict"), cell: (row) => <Verdict value={row.change.verdict} mean={row.change.mean} /> },
  ];
  return (
    <Stack gap="sm">
      {!found.same_rights && <Alert color="yellow">{t("eval.other-rights")}</Alert>}
      <Text size="sm">{t("eval.won-lost", { won: found.won, lost: found.lost, same: found.questions - found.won - found.lost })}</Text>
      {found.left_out > 0 && <Text size="sm">{t("eval.left-out", { count: found.left_out })}</Text>}
      <DataTable name={t("eval.differences")} columns={columns} rows={rows} rowKey={(row) => row.name} leastWidth={720} />
    </Stack>
  );
}
