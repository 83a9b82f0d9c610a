/** Sources: where documents come from, of one collection or of all, and which of them need a person. */
import { Anchor, Badge, Button, Group, SegmentedControl, Stack, Text } from "@mantine/core";
import { PlugZap, Upload } from "lucide-react";
import { Link, useNavigate, useParams } from "react-router";
import type { Model } from "@/api/client";
import { chosenCollection, useCollections } from "@/api/collections";
import { useOverview } from "@/api/overview";
import { useAllows } from "@/api/session";
import { LIVE } from "@/api/sources";
import { State } from "@/components/Badges";
import { type Column, DataTable } from "@/components/DataTable";
import { Empty } from "@/components/Empty";
import { Loaded } from "@/components/Loaded";
import { Page } from "@/components/Page";
import { Time } from "@/components/Time";
import { type Speech, useSpeech } from "@/i18n";

type SourceNow = Model<"SourceNow">;

export default function Sources() {
  const { t } = useSpeech();
  const allows = useAllows();
  const navigate = useNavigate();
  const { collection } = useParams();
  const collections = useCollections().data;
  const overview = useOverview();
  const near = collection ?? chosenCollection(collections, "");
  const which = near !== null && (
    <SegmentedControl
      size="sm"
      aria-label={t("sources.which")}
      value={collection === undefined ? "all" : "one"}
      onChange={(value) => void navigate(value === "all" ? "/sources" : `/c/${near}/sources`)}
      data={[
        { value: "one", label: near },
        { value: "all", label: t("sources.all") },
      ]}
    />
  );
  const actions = (
    <>
      {which}
      {near !== null && allows("write") && (
        <Button component={Link} to={`/c/${near}/upload`} variant="default" leftSection={<Upload size={16} aria-hidden />}>
          {t("page.upload")}
        </Button>
      )}
      {allows("admin") && (
        <Button component={Link} to={connectTo(collection)} leftSection={<PlugZap size={16} aria-hidden />}>
          {t("page.connect")}
        </Button>
      )}
    </>
  );
  return (
    <Page title={t("page.sources")} lead={t("sources.lead")} actions={actions}>
      <Loaded query={overview}>
        {(now) => <List sources={now.sources.filter((one) => !collection || one.collection === collection)} of={collection} />}
      </Loaded>
    </Page>
  );
}

function List({ sources, of }: { sources: readonly SourceNow[]; of: string | undefined }) {
  const speech = useSpeech();
  const { t, language } = speech;
  if (sources.length === 0) return <NoneYet of={of} />;
  const columns: Column<SourceNow>[] = [
    { head: t("common.name"), cell: (one) => <Name source={one} />, width: "26%", long: true },
    ...(of === undefined ? [{ head: t("common.collection"), cell: (one: SourceNow) => one.collection }] : []),
    { head: t("common.kind"), cell: (one) => kindOf(one.kind, speech) },
    { head: t("common.state"), cell: (one) => <State value={one.state === "active" ? (one.connector ?? one.state) : one.state} /> },
    { head: t("sources.lag"), cell: (one) => lagOf(one, speech) },
    { head: t("sources.letters"), numeric: true, cell: (one) => <Letters source={one} language={language} /> },
    { head: t("sources.needs"), cell: (one) => <Needs source={one} /> },
    { head: t("sources.changed"), cell: (one) => <Time value={one.updated_at} /> },
  ];
  return <DataTable name={t("page.sources")} columns={columns} rows={sources} rowKey={(one) => `${one.collection} ${one.name}`} leastWidth={740} />;
}

function Name({ source }: { source: SourceNow }) {
  const allows = useAllows();
  if (!allows("admin")) return source.name;
  return (
    <Anchor component={Link} to={`/c/${source.collection}/sources/${encodeURIComponent(source.name)}`} fw={600}>
      {source.name}
    </Anchor>
  );
}

function Letters({ source, language }: { source: SourceNow; language: string }) {
  const allows = useAllows();
  const count = source.dead_letters.toLocaleString(language);
  if (source.dead_letters === 0 || !allows("admin")) return count;
  return (
    <Anchor component={Link} to={`/c/${source.collection}/letters?source=${encodeURIComponent(source.name)}`} c="red" fw={700}>
      {count}
    </Anchor>
  );
}

function Needs({ source }: { source: SourceNow }) {
  const { t } = useSpeech();
  if (source.problems.length === 0 && source.notices === 0) return <Text size="sm" c="dimmed">{t("sources.nothing")}</Text>;
  return (
    <Group gap={6}>
      {source.problems.length > 0 && (
        <Badge variant="light" color="red" tt="none">
          {t("sources.problems", { count: source.problems.length })}
        </Badge>
      )}
      {source.notices > 0 && (
        <Badge variant="light" color="yellow" tt="none">
          {t("sources.drift", { count: source.notices })}
        </Badge>
      )}
    </Group>
  );
}

function NoneYet({ of }: { of: string | undefined }) {
  const { t } = useSpeech();
  const allows = useAllows();
  return (
    <Empty
      title={t("sources.empty")}
      action={
        <Group mt="xs">
          {allows("admin") && (
            <Button component={Link} to={connectTo(of)}>
              {t("page.connect")}
            </Button>
          )}
          {of !== undefined && allows("write") && (
            <Button component={Link} to={`/c/${of}/upload`} variant="default">
              {t("page.upload")}
            </Button>
          )}
        </Group>
      }
    >
      <Stack gap={4}>
        <span>{t("sources.empty-text")}</span>
      </Stack>
    </Empty>
  );
}

function connectTo(collection: string | undefined): string {
  return collection === undefined ? "/connect" : `/connect?collection=${collection}`;
}

/** What kind of source it is, in words. */
export function kindOf(kind: string, { textOr }: Speech): string {
  return textOr(`sources.kind.${kind}`, kind);
}

/** How far behind a source is, in words. */
export function lagOf(one: Pick<SourceNow, "kind" | "lag_events" | "lag_seconds" | "state">, { t }: Speech): string {
  if (one.kind !== LIVE) return t("sources.no-lag");
  if (one.lag_events == null && one.lag_seconds == null) return t("sources.lag-unknown");
  if (!one.lag_events) return t("sources.fresh");
  const seconds = one.lag_seconds == null ? "" : ` · ${t("sources.seconds", { seconds: Math.round(one.lag_seconds) })}`;
  return t("sources.events-behind", { count: one.lag_events }) + seconds;
}
