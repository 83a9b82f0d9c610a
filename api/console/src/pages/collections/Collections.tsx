/** Collections: make one, see what each holds, change its settings, delete it. */
import { Anchor, Button, Group, Text } from "@mantine/core";
import { Plus, Settings, Trash2, Upload } from "lucide-react";
import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import { type Collection, useCollections } from "@/api/collections";
import { useOverview } from "@/api/overview";
import { useAllows } from "@/api/session";
import { type Column, DataTable } from "@/components/DataTable";
import { Empty } from "@/components/Empty";
import { GroupBadges } from "@/components/Groups";
import { Loaded } from "@/components/Loaded";
import { Page } from "@/components/Page";
import { Time } from "@/components/Time";
import { useSpeech } from "@/i18n";
import { CollectionDrawer } from "./CollectionDrawer";
import { DeleteCollection } from "./DeleteCollection";

export default function Collections() {
  const { t } = useSpeech();
  const allows = useAllows();
  const collections = useCollections();
  const [place, setPlace] = useSearchParams();
  const [edited, setEdited] = useState<Collection | "new" | null>(null);
  const [deleted, setDeleted] = useState<Collection | null>(null);
  // Whoever wants to upload but has no collection yet comes with `new`.
  const shown = edited ?? (place.has("new") && allows("admin") ? "new" : null);
  const close = () => {
    setEdited(null);
    setPlace({}, { replace: true });
  };
  const create = allows("admin") && (
    <Button leftSection={<Plus size={16} aria-hidden />} onClick={() => setEdited("new")}>
      {t("collections.create")}
    </Button>
  );
  return (
    <Page title={t("page.collections")} lead={t("collections.lead")} actions={create}>
      <Loaded query={collections}>
        {(found) =>
          found.length === 0 ? (
            <Empty title={t("overview.empty")} action={create}>
              {t("collections.empty-text")}
            </Empty>
          ) : (
            <List collections={found} edit={setEdited} remove={setDeleted} />
          )
        }
      </Loaded>
      {shown !== null && <CollectionDrawer of={shown} close={close} />}
      {deleted !== null && <DeleteCollection collection={deleted.name} close={() => setDeleted(null)} />}
    </Page>
  );
}

interface ListProps {
  collections: readonly Collection[];
  edit: (one: Collection) => void;
  remove: (one: Collection) => void;
}

function List({ collections, edit, remove }: ListProps) {
  const { t, language } = useSpeech();
  const allows = useAllows();
  const now = new Map((useOverview().data?.collections ?? []).map((one) => [one.name, one]));
  const number = (value: number | undefined) => (value === undefined ? "–" : value.toLocaleString(language));
  const columns: Column<Collection>[] = [
    {
      head: t("common.name"),
      cell: (one) => (
        <Anchor component={Link} to={`/c/${one.name}/search`} fw={600}>
          {one.name}
        </Anchor>
      ),
      width: "22%",
    },
    { head: t("overview.documents"), numeric: true, cell: (one) => number(now.get(one.name)?.documents) },
    { head: t("collections.passages"), numeric: true, cell: (one) => number(now.get(one.name)?.chunks) },
    { head: t("collections.encoder"), cell: (one) => <Text size="sm">{one.encoder}</Text> },
    { head: t("collections.readers"), cell: (one) => <GroupBadges groups={one.default_acl} /> },
    { head: t("common.created"), cell: (one) => <Time value={one.created_at} /> },
    {
      head: t("common.actions"),
      cell: (one) => (
        <Group gap={6}>
          {allows("write") && (
            <Button
              component={Link}
              to={`/c/${one.name}/upload`}
              size="compact-sm"
              variant="default"
              leftSection={<Upload size={14} aria-hidden />}
              aria-label={t("collections.upload-to", { name: one.name })}
            >
              {t("collections.upload")}
            </Button>
          )}
          {allows("admin") && (
            <>
              <Button
                size="compact-sm"
                variant="default"
                leftSection={<Settings size={14} aria-hidden />}
                onClick={() => edit(one)}
                aria-label={t("collections.settings-of", { name: one.name })}
              >
                {t("collections.settings")}
              </Button>
              <Button
                size="compact-sm"
                variant="subtle"
                color="red"
                leftSection={<Trash2 size={14} aria-hidden />}
                onClick={() => remove(one)}
                aria-label={t("collections.delete-named", { name: one.name })}
              >
                {t("common.delete")}
              </Button>
            </>
          )}
        </Group>
      ),
    },
  ];
  return <DataTable name={t("page.collections")} columns={columns} rows={collections} rowKey={(one) => one.name} leastWidth={760} />;
}
