/** What came or went last, as it happens. */
import { Anchor, Badge, Paper, Text, Title } from "@mantine/core";
import { Link } from "react-router";
import { documentPath } from "@/api/documents";
import { type Arrival, useChanges } from "@/api/sources";
import { type Column, DataTable } from "@/components/DataTable";
import { Loaded } from "@/components/Loaded";
import { Time } from "@/components/Time";
import { useSpeech } from "@/i18n";

export function Changes({ collection, source }: { collection: string; source: string }) {
  const { t } = useSpeech();
  const changes = useChanges(collection, source);
  const columns: Column<Arrival>[] = [
    { head: t("sources.what"), cell: (one) => <What change={one} /> },
    {
      head: t("common.title"),
      cell: (one) =>
        one.deleted ? (
          one.title || one.key
        ) : (
          <Anchor component={Link} to={documentPath(collection, one.key)}>
            {one.title || t("common.untitled")}
          </Anchor>
        ),
      width: "42%",
      long: true,
    },
    { head: t("common.key"), cell: (one) => one.key, long: true },
    { head: t("sources.when"), cell: (one) => <Time value={one.committed_at ?? one.cataloged_at} /> },
  ];
  return (
    <Paper withBorder radius="md" p="md">
      <Title order={2} size="h4">
        {t("sources.newest")}
      </Title>
      <Text size="sm" c="dimmed" mb="xs">
        {t("sources.newest-hint")}
      </Text>
      <Loaded query={changes}>
        {(found) =>
          found.length === 0 ? (
            <Text size="sm">{t("sources.no-changes")}</Text>
          ) : (
            <DataTable name={t("sources.newest")} columns={columns} rows={found} rowKey={(one) => one.seq} />
          )
        }
      </Loaded>
    </Paper>
  );
}

function What({ change }: { change: Arrival }) {
  const { t } = useSpeech();
  const [word, colour] = change.deleted
    ? (["sources.outcome.deleted", "red"] as const)
    : change.version === 1
      ? (["sources.outcome.created", "green"] as const)
      : (["sources.outcome.updated", "blue"] as const);
  return (
    <Badge variant="light" color={colour} tt="none">
      {t(word)}
    </Badge>
  );
}
