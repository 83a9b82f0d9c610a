/** Chooses one document of a collection by part of its title or key. */
import { Select } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { useDocuments } from "@/api/documents";
import { explain } from "@/components/Failure";
import { useSpeech } from "@/i18n";

const TYPING_MS = 200;

interface Props {
  collection: string;
  label: string;
  choose: (key: string, title: string) => void;
}

export function DocumentChoice({ collection, label, choose }: Props) {
  const speech = useSpeech();
  const { t } = speech;
  const [typed, setTyped] = useState("");
  const [query] = useDebouncedValue(typed.trim(), TYPING_MS);
  const search = useDocuments(collection, { query: query || undefined }, query !== "").query;
  const found = search.data?.documents ?? [];
  const isKnown = search.isSuccess && !search.isPlaceholderData && typed.trim() === query;
  const none = () => {
    if (typed.trim() === "") return t("documents.type-to-find");
    if (search.isError) return explain(search.error, speech);
    return t(isKnown ? "documents.nothing-found" : "common.loading");
  };
  const options = query === "" ? [] : found.map((one) => ({ value: one.key, label: one.title ? `${one.title} · ${one.key}` : one.key }));
  return (
    <Select
      label={label}
      placeholder={t("documents.find-hint")}
      data={options}
      searchable
      searchValue={typed}
      onSearchChange={setTyped}
      filter={({ options: all }) => all} // the server has searched already
      nothingFoundMessage={none()}
      value={null}
      onChange={(key) => {
        const one = found.find((document) => document.key === key);
        if (one) choose(one.key, one.title);
        setTyped("");
      }}
      flex="1 1 240px"
    />
  );
}
