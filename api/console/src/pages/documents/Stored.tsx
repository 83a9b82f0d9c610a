/** The documents as a table, a page at a time. */
import { Anchor, Stack, Text } from "@mantine/core";
import { Link } from "react-router";
import { documentPath, type Narrowed, type Summary, useDocuments, useFacets } from "@/api/documents";
import { type Column, DataTable } from "@/components/DataTable";
import { Empty } from "@/components/Empty";
import { GroupBadges } from "@/components/Groups";
import { Loaded, Loading } from "@/components/Loaded";
import { Pager } from "@/components/Pager";
import { Time } from "@/components/Time";
import { useSpeech } from "@/i18n";
import { useLanguageNames } from "./languages";

export function Stored({ collection, narrowed }: { collection: string; narrowed: Narrowed }) {
  const { t } = useSpeech();
  const { query, ...pages } = useDocuments(collection, narrowed);
  const isNarrowed = Object.values(narrowed).some((value) => value !== undefined);
  return (
    <Loaded query={query}>
      {(page) =>
        page.documents.length === 0 && query.isPlaceholderData ? (
          <Loading />
        ) : page.documents.length === 0 && pages.number === 1 ? (
          <Empty title={t(isNarrowed ? "documents.nothing-found" : "documents.empty")}>
            {t(isNarrowed ? "documents.nothing-found-text" : "documents.empty-text")}
          </Empty>
        ) : (
          <Stack gap="sm" aria-busy={query.isPlaceholderData} opacity={query.isPlaceholderData ? 0.5 : undefined}>
            <Count collection={collection} narrowed={isNarrowed} waits={query.isPlaceholderData} />
            <Rows collection={collection} documents={page.documents} />
            <Pager {...pages} />
          </Stack>
        )
      }
    </Loaded>
  );
}

interface CountProps {
  collection: string;
  narrowed: boolean;
  /** The rows are still those of another list. */
  waits: boolean;
}

function Count({ collection, narrowed, waits }: CountProps) {
  const { t } = useSpeech();
  const all = useFacets(collection).data?.documents;
  if (all === undefined) return null;
  const told = t(narrowed ? "documents.of-all" : "documents.count", { count: all });
  return (
    <Text size="sm" c="dimmed" role="status">
      {narrowed && waits ? t("common.loading") : told}
    </Text>
  );
}

function Rows({ collection, documents }: { collection: string; documents: readonly Summary[] }) {
  const { t, language } = useSpeech();
  const nameOf = useLanguageNames();
  const columns: Column<Summary>[] = [
    { head: t("common.title"), cell: (one) => <Name collection={collection} document={one} />, width: "38%", long: true },
    { head: t("common.source"), cell: (one) => (one.table ? `${one.source} · ${one.table}` : one.source), long: true },
    { head: t("common.language"), cell: (one) => nameOf(one.language) },
    { head: t("documents.passages"), numeric: true, cell: (one) => one.chunks.toLocaleString(language) },
    {
      head: t("documents.readers"),
      cell: (one) => (one.acl ? <GroupBadges groups={one.acl} /> : t("documents.default-readers")),
    },
    { head: t("documents.as-of"), cell: (one) => <Time value={one.as_of} /> },
  ];
  return <DataTable name={t("page.documents")} columns={columns} rows={documents} rowKey={(one) => one.key} leastWidth={760} />;
}

function Name({ collection, document }: { collection: string; document: Summary }) {
  const { t } = useSpeech();
  return (
    <>
      <Anchor component={Link} to={documentPath(collection, document.key)} fw={500}>
        {document.title || t("common.untitled")}
      </Anchor>
      <Text size="xs" c="dimmed">
        {document.key}
      </Text>
    </>
  );
}
