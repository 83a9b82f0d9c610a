/** Documents: all that a collection holds, searched and narrowed; and what was deleted, to be brought back. */
import { Button, Group, Paper, SegmentedControl, Select, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { Search } from "lucide-react";
import { useEffect, useState } from "react";
import { useCollection } from "@/api/collections";
import { type Narrowed, useFacets } from "@/api/documents";
import { useAllows } from "@/api/session";
import { MetadataFilter, readFilter } from "@/components/MetadataFilter";
import { Page } from "@/components/Page";
import { useDraft } from "@/hooks/draft";
import { useParameter } from "@/hooks/parameters";
import { useSpeech } from "@/i18n";
import { Deleted } from "./Deleted";
import { useLanguageNames } from "./languages";
import { Stored } from "./Stored";

const TYPING_MS = 250; // after the last letter

export default function Documents() {
  const { t } = useSpeech();
  const allows = useAllows();
  const collection = useCollection();
  const [parameters, set] = useParameter();
  const deleted = parameters.get("show") === "deleted" && allows("write");
  const actions = allows("write") && (
    <SegmentedControl
      size="sm"
      aria-label={t("documents.which")}
      value={deleted ? "deleted" : "stored"}
      onChange={(value) => set("show", value === "deleted" ? value : null)}
      data={[
        { value: "stored", label: t("documents.stored") },
        { value: "deleted", label: t("documents.deleted") },
      ]}
    />
  );
  return (
    <Page title={t("page.documents")} lead={t(deleted ? "documents.deleted-lead" : "documents.lead")} actions={actions}>
      {deleted ? (
        <Deleted collection={collection} />
      ) : (
        <Stack gap="md">
          <Narrowing collection={collection} parameters={parameters} set={set} />
          <Stored collection={collection} narrowed={narrowedBy(parameters)} />
        </Stack>
      )}
    </Page>
  );
}

function narrowedBy(parameters: URLSearchParams): Narrowed {
  const given = (name: string) => parameters.get(name) ?? undefined;
  return {
    query: given("q"),
    source: given("source"),
    language: given("language"),
    filter: readFilter(parameters.get("filter")) ? given("filter") : undefined,
  };
}

interface NarrowingProps {
  collection: string;
  parameters: URLSearchParams;
  set: (name: string, value: string | null) => void;
}

function Narrowing({ collection, parameters, set }: NarrowingProps) {
  const { t } = useSpeech();
  const facets = useFacets(collection).data;
  const query = parameters.get("q") ?? "";
  const [typed, setTyped, say] = useDraft(query, () => query);
  const [settled] = useDebouncedValue(typed, TYPING_MS);
  useEffect(() => {
    if (settled === query) return;
    say(settled);
    set("q", settled);
    // What is typed settles into the address; when that changes otherwise, the draft follows it.
  }, [settled]);
  const filtered = parameters.has("filter");
  const [more, setMore] = useState(filtered);
  useEffect(() => {
    if (filtered) setMore(true); // no condition holds unseen
  }, [filtered]);
  const languageNames = useLanguageNames();
  const sources = (facets?.sources ?? []).map((one) => ({ value: one.source, label: `${one.source} (${one.documents})` }));
  const languages = (facets?.languages ?? []).filter((one) => one.language !== "");
  return (
    <Paper withBorder radius="md" p="sm" component="search">
      <Group gap="sm" align="flex-end">
        <TextInput
          label={t("documents.find")}
          placeholder={t("documents.find-hint")}
          leftSection={<Search size={15} aria-hidden />}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          flex="1 1 240px"
        />
        <Select
          label={t("common.source")}
          placeholder={t("common.all")}
          data={sources}
          value={parameters.get("source")}
          onChange={(value) => set("source", value)}
          clearable
          clearButtonProps={{ "aria-label": t("documents.all-sources") }}
          w={210}
        />
        <Select
          label={t("common.language")}
          placeholder={t("common.all")}
          data={languages.map((one) => ({ value: one.language, label: `${languageNames(one.language)} (${one.documents})` }))}
          value={parameters.get("language")}
          onChange={(value) => set("language", value)}
          clearable
          clearButtonProps={{ "aria-label": t("documents.all-languages") }}
          w={170}
        />
        <Button variant="default" onClick={() => setMore(!more)} aria-expanded={more}>
          {t("filter.name")}
        </Button>
      </Group>
      {more && (
        <Stack gap={4} mt="sm">
          <Text size="xs" c="dimmed">
            {t("filter.hint")}
          </Text>
          <MetadataFilter
            value={readFilter(parameters.get("filter"))}
            change={(filter) => set("filter", filter && JSON.stringify(filter))}
          />
        </Stack>
      )}
    </Paper>
  );
}
