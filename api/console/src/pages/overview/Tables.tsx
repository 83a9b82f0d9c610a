/** Every collection and every source with how far behind it is. */
import { Anchor, Paper, Text, Title } from "@mantine/core";
import { Link } from "react-router";
import type { Model } from "@/api/client";
import { useAllows } from "@/api/session";
import { State } from "@/components/Badges";
import { type Column, DataTable } from "@/components/DataTable";
import { Time } from "@/components/Time";
import { type Speech, useSpeech } from "@/i18n";

type CollectionNow = Model<"CollectionNow">;
type SourceNow = Model<"SourceNow">;

export function CollectionTable({ collections }: { collections: readonly CollectionNow[] }) {
  const speech = useSpeech();
  const { t, language } = speech;
  const columns: Column<CollectionNow>[] = [
    { head: t("common.name"), cell: (one) => <Anchor component={Link} to={`/c/${one.name}/search`}>{one.name}</Anchor> },
    { head: t("overview.documents"), numeric: true, cell: (one) => one.documents.toLocaleString(language) },
    { head: t("overview.lag"), cell: (one) => lagOf(one, speech) },
  ];
  return (
    <Section title={t("overview.collections")}>
      <DataTable name={t("overview.collections")} columns={columns} rows={collections} rowKey={(one) => one.name} leastWidth={420} />
    </Section>
  );
}

export function SourceTable({ sources }: { sources: readonly SourceNow[] }) {
  const speech = useSpeech();
  const { t } = speech;
  if (sources.length === 0) return null;
  const columns: Column<SourceNow>[] = [
    { head: t("common.name"), cell: (one) => <SourceLink source={one} />, long: true },
    { head: t("common.collection"), cell: (one) => one.collection },
    { head: t("common.state"), cell: (one) => <State value={one.connector ?? one.state} /> },
    { head: t("overview.lag"), cell: (one) => sourceLag(one, speech) },
    { head: t("overview.letters"), numeric: true, cell: (one) => one.dead_letters },
    { head: t("common.updated"), cell: (one) => <Time value={one.updated_at} /> },
  ];
  return (
    <Section title={t("overview.sources")}>
      <DataTable name={t("overview.sources")} columns={columns} rows={sources} rowKey={(one) => `${one.collection} ${one.name}`} />
    </Section>
  );
}

function Section({ title, children }: { title: string; children: React.ReactNode }) {
  return (
    <Paper withBorder radius="md" p="md">
      <Title order={2} size="h4" mb="xs">
        {title}
      </Title>
      {children}
    </Paper>
  );
}

function SourceLink({ source }: { source: SourceNow }) {
  const allows = useAllows();
  if (!allows("admin")) return source.name;
  const to = `/c/${source.collection}/sources/${encodeURIComponent(source.name)}`;
  return (
    <Anchor component={Link} to={to}>
      {source.name}
    </Anchor>
  );
}

function lagOf(one: CollectionNow, { t }: Speech) {
  if (one.lag == null) return <Text size="sm" c="dimmed">{t("overview.not-open")}</Text>;
  return one.lag === 0 ? t("overview.fresh") : t("overview.behind", { count: one.lag });
}

function sourceLag(one: SourceNow, { t }: Speech): string {
  if (one.problems.length > 0) return t("overview.problem", { count: one.problems.length });
  if (one.lag_seconds == null) return "–";
  return one.lag_seconds < 1 ? t("overview.fresh") : t("overview.behind-seconds", { seconds: Math.round(one.lag_seconds) });
}
