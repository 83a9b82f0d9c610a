/** Deleted documents that can still be brought back. */
import { Anchor, Button, Stack, Text } from "@mantine/core";
import { useState } from "react";
import { type Former, useDeleted, useRestore } from "@/api/documents";
import { type Column, DataTable } from "@/components/DataTable";
import { Empty } from "@/components/Empty";
import { Loaded } from "@/components/Loaded";
import { Pager } from "@/components/Pager";
import { Time } from "@/components/Time";
import { useSpeech } from "@/i18n";
import { FormerDrawer } from "./FormerDrawer";

export function Deleted({ collection }: { collection: string }) {
  const { t } = useSpeech();
  const { query, ...pages } = useDeleted(collection);
  const restore = useRestore(collection);
  const [shown, setShown] = useState<Former | null>(null);
  const columns: Column<Former>[] = [
    {
      head: t("common.title"),
      cell: (one) => (
        <>
          <Anchor component="button" type="button" onClick={() => setShown(one)} ta="left">
            {one.title || t("common.untitled")}
          </Anchor>
          <Text size="xs" c="dimmed">
            {one.key}
          </Text>
        </>
      ),
      width: "45%",
      long: true,
    },
    { head: t("common.source"), cell: (one) => one.source },
    { head: t("documents.deleted-at"), cell: (one) => <Time value={one.replaced_at} /> },
    {
      head: t("common.actions"),
      cell: (one) => (
        <Button
          size="compact-sm"
          variant="default"
          loading={restore.isPending && restore.variables.key === one.key}
          onClick={() => restore.mutate({ key: one.key, version: one.version })}
          aria-label={t("documents.restore-named", { title: one.title || one.key })}
        >
          {t("documents.restore")}
        </Button>
      ),
    },
  ];
  return (
    <Loaded query={query}>
      {(page) =>
        page.documents.length === 0 && pages.number === 1 ? (
          <Empty title={t("documents.none-deleted")}>{t("documents.none-deleted-text")}</Empty>
        ) : (
          <Stack gap="sm">
            <DataTable name={t("documents.deleted")} columns={columns} rows={page.documents} rowKey={(one) => one.key} />
            <Pager {...pages} />
            <FormerDrawer collection={collection} former={shown} close={() => setShown(null)} />
          </Stack>
        )
      }
    </Loaded>
  );
}
