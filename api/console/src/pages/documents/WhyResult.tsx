/** The verdict in one sentence, then what shows it: each leg's rank and score, the words, the rights. */
import { Alert, Badge, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { CircleAlert, CircleCheck } from "lucide-react";
import type { Model } from "@/api/client";
import type { Why } from "@/api/search";
import { type Column, DataTable } from "@/components/DataTable";
import { GroupBadges } from "@/components/Groups";
import { type Speech, useSpeech } from "@/i18n";

type Finding = Model<"LegFinding">;

export function WhyResult({ why }: { why: Why }) {
  const speech = useSpeech();
  const found = why.verdict === "found";
  return (
    <Stack aria-live="polite">
      <Alert
        color={found ? "green" : "yellow"}
        icon={found ? <CircleCheck size={18} aria-hidden /> : <CircleAlert size={18} aria-hidden />}
        title={speech.t(found ? "why.found-title" : "why.lost-title")}
      >
        <Text size="sm">{sentence(why, speech)}</Text>
        <Text size="sm" mt={4}>
          {speech.textOr(`why.advice-${why.verdict}`, "")}
        </Text>
      </Alert>
      {why.verdict !== "deleted" && (
        <>
          <Legs why={why} />
          <Words why={why} />
          <Readers why={why} />
        </>
      )}
    </Stack>
  );
}

/** What happened, in plain words. */
function sentence(why: Why, { t, textOr, language }: Speech): string {
  const number = (value: number | null | undefined) =>
    value == null ? "–" : value.toLocaleString(language, { maximumFractionDigits: 3 });
  if (why.verdict === "outranked" && why.place == null) return t("why.outranked-far", { top: why.top_k ?? 0 });
  return textOr(`why.${why.verdict}`, why.verdict, {
    place: why.place ?? 0,
    top: why.top_k ?? 0,
    score: number(why.score),
    last: number(why.last_score),
  });
}

function Legs({ why }: { why: Why }) {
  const { t, textOr, language } = useSpeech();
  const columns: Column<Finding>[] = [
    { head: t("why.leg"), cell: (one) => textOr(`search.leg-${one.leg}`, one.leg) },
    { head: t("why.rank"), numeric: true, cell: (one) => one.rank ?? t("why.not-among", { count: one.looked_at }) },
    { head: t("why.depth"), numeric: true, cell: (one) => one.depth.toLocaleString(language) },
    {
      head: t("common.score"),
      numeric: true,
      cell: (one) => one.score?.toLocaleString(language, { maximumFractionDigits: 4 }) ?? "–",
    },
    { head: t("why.outcome"), cell: (one) => <Outcome leg={one} /> },
  ];
  return (
    <Paper withBorder radius="md" p="md">
      <Title order={2} size="h5">
        {t("why.legs")}
      </Title>
      <Text size="xs" c="dimmed" mb="xs">
        {t("why.legs-hint")}
      </Text>
      <DataTable name={t("why.legs")} columns={columns} rows={why.legs ?? []} rowKey={(one) => one.leg} leastWidth={560} />
    </Paper>
  );
}

function Outcome({ leg }: { leg: Finding }) {
  const { t } = useSpeech();
  if (!leg.used) return <Badge variant="light" color="gray" tt="none">{t("why.leg-unused")}</Badge>;
  if (!leg.answers) return <Badge variant="light" color="red" tt="none">{t("why.leg-silent")}</Badge>;
  if (leg.score == null) return <Badge variant="light" color="yellow" tt="none">{t("why.leg-nothing")}</Badge>;
  if (leg.rank == null || leg.rank > leg.depth) {
    return <Badge variant="light" color="yellow" tt="none">{t("why.leg-deep")}</Badge>;
  }
  return <Badge variant="light" color="green" tt="none">{t("why.leg-candidate")}</Badge>;
}

function Words({ why }: { why: Why }) {
  const { t } = useSpeech();
  const words = why.words ?? [];
  if (words.length === 0) return null;
  return (
    <Paper withBorder radius="md" p="md">
      <Title order={2} size="h5" mb="xs">
        {t("why.words")}
      </Title>
      <Group gap={6}>
        {words.map((one) => (
          <Badge key={one.word} variant={one.found ? "light" : "default"} color="green" tt="none">
            {one.word} · {t(one.found ? "why.word-found" : "why.word-missing")}
          </Badge>
        ))}
      </Group>
    </Paper>
  );
}

function Readers({ why }: { why: Why }) {
  const { t } = useSpeech();
  return (
    <Paper withBorder radius="md" p="md">
      <Title order={2} size="h5" mb="xs">
        {t("why.rights")}
      </Title>
      <Stack gap={6}>
        <Text size="sm" component="div">
          {t("why.document-groups")} <GroupBadges groups={why.document_groups ?? []} />
        </Text>
        <Text size="sm" component="div">
          {t("why.search-groups")} {why.groups == null ? t("why.everything") : <GroupBadges groups={why.groups} />}
        </Text>
      </Stack>
    </Paper>
  );
}
