/** The questions of a run, or what they lost or gained since another, with where their right documents stood. */
import { Anchor, Badge, Group, SegmentedControl, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";
import { fetchRunQuestions, type QuestionsAsked, questionsKey, type RunQuestion } from "@/api/evaluation";
import { type Column, DataTable } from "@/components/DataTable";
import { Loaded } from "@/components/Loaded";
import { Pager } from "@/components/Pager";
import { measure, signed } from "@/components/Verdict";
import { usePages } from "@/hooks/pages";
import { useSpeech } from "@/i18n";

const AT_ONCE = 20;

interface Props {
  collection: string;
  name: string;
  run: number;
  /** null: with no other run. */
  against: number | null;
}

export function Questions({ collection, name, run, against }: Props) {
  const { t } = useSpeech();
  const [order, setOrder] = useState<QuestionsAsked["order"]>("worst");
  const asked: QuestionsAsked = { run, against, metric: "ndcg@10", order };
  const list = usePages(questionsKey(collection, name, asked), (cursor) => fetchRunQuestions(collection, name, asked, AT_ONCE, cursor));
  const alone = against === null;
  const title = alone ? t("eval.questions-of", { run }) : t("eval.question-by-question");
  return (
    <Stack gap="xs" mt={alone ? 0 : "lg"}>
      <Group justify="space-between">
        <Title order={alone ? 2 : 3} size={alone ? "h4" : "h5"}>
          {title}
        </Title>
        <SegmentedControl
          size="xs"
          aria-label={t("eval.order")}
          data={[
            { value: "worst", label: t(alone ? "eval.worst-first" : "eval.lost-most") },
            { value: "best", label: t(alone ? "eval.best-first" : "eval.gained-most") },
          ]}
          value={order}
          onChange={(value) => setOrder(value as QuestionsAsked["order"])}
        />
      </Group>
      <Loaded query={list.query}>{(page) => <Table title={title} collection={collection} rows={page.questions} alone={alone} />}</Loaded>
      <Pager number={list.number} next={list.next} previous={list.previous} />
    </Stack>
  );
}

interface TableProps {
  title: string;
  collection: string;
  rows: readonly RunQuestion[];
  alone: boolean;
}

function Table({ title, collection, rows, alone }: TableProps) {
  const { t, textOr, language } = useSpeech();
  const value = (values: Record<string, number> | null) => (values ? measure(values["ndcg@10"] ?? 0, language) : "–");
  const reached: Column<RunQuestion>[] = [
    {
      head: t("metric.ndcg"),
      numeric: true,
      cell: (row) => (
        <Text size="sm" fw={600} c={row.values["ndcg@10"] === 0 ? "red" : undefined}>
          {value(row.values)}
        </Text>
      ),
    },
  ];
  const since: Column<RunQuestion>[] = [
    { head: t("eval.before"), numeric: true, cell: (row) => value(row.before) },
    { head: t("eval.after"), numeric: true, cell: (row) => value(row.values) },
    {
      head: t("eval.difference"),
      numeric: true,
      cell: (row) => {
        if (row.difference === null) return "–";
        const colour = row.difference < 0 ? "red" : row.difference > 0 ? "green" : undefined;
        return (
          <Text size="sm" fw={600} c={colour}>
            {row.difference === 0 ? measure(0, language) : signed(row.difference, language)}
          </Text>
        );
      },
    },
  ];
  const columns: Column<RunQuestion>[] = [
    {
      head: t("eval.question"),
      cell: (row) => (
        <Stack gap={2}>
          <Anchor component={Link} to={`/c/${collection}/search?q=${encodeURIComponent(row.text)}`} size="sm">
            {row.text}
          </Anchor>
          <Group gap={4}>
            {row.kinds.map((kind) => (
              <Badge key={kind} size="xs" variant="light" color="gray" tt="none">
                {textOr(`kind.${kind}`, kind)}
              </Badge>
            ))}
          </Group>
        </Stack>
      ),
    },
    { head: t("eval.right-documents"), cell: (row) => <Ranks row={row} />, long: true },
    ...(alone ? reached : since),
  ];
  return <DataTable name={title} columns={columns} rows={rows} rowKey={(row) => row.id} leastWidth={alone ? 560 : 720} />;
}

/** Each right document with its place before and after. */
function Ranks({ row }: { row: RunQuestion }) {
  const { t } = useSpeech();
  const place = (rank: number | null | undefined) => (rank == null ? t("eval.not-found") : t("eval.place", { rank }));
  return (
    <Stack gap={0}>
      {Object.entries(row.ranks).map(([key, rank]) => (
        <Text size="xs" key={key}>
          <Text component="span" size="xs" fw={600}>
            {key}
          </Text>{" "}
          {row.ranks_before && `${place(row.ranks_before[key])} → `}
          {place(rank)}
        </Text>
      ))}
    </Stack>
  );
}
