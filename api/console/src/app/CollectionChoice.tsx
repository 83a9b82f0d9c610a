/** Which collection the pages are about. */
import { Select } from "@mantine/core";
import { useLocation, useNavigate } from "react-router";
import { chosenCollection, useCollections } from "@/api/collections";
import { useSpeech } from "@/i18n";

/** Pages of one thing of a collection lead to that page's list in another. */
const OF_COLLECTION = /^\/c\/[^/]+(\/[^/]+)?/;

export function CollectionChoice() {
  const { t } = useSpeech();
  const navigate = useNavigate();
  const { pathname } = useLocation();
  const collections = useCollections().data ?? [];
  const chosen = chosenCollection(collections, pathname);
  const choose = (name: string | null) => {
    if (name) void navigate(`/c/${name}${OF_COLLECTION.exec(pathname)?.[1] ?? "/search"}`);
  };
  const names = collections.map((one) => one.name);
  return (
    <Select
      aria-label={t("shell.collection")}
      placeholder={t("shell.no-collection")}
      data={chosen && !names.includes(chosen) ? [chosen, ...names] : names}
      value={chosen}
      onChange={choose}
      disabled={names.length === 0}
      searchable={names.length > 8}
      allowDeselect={false}
      size="sm"
      w={200}
      miw={0}
    />
  );
}
