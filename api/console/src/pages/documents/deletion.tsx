/** Deleting a document: asks once, names it, and offers to undo it where the catalog kept it. */
import { Button, Stack, Text } from "@mantine/core";
import { notifications } from "@mantine/notifications";
import { useNavigate } from "react-router";
import { type DocumentView, useDelete, useRestore } from "@/api/documents";
import { useConfirm } from "@/components/confirm";
import { useIsHere } from "@/hooks/here";
import { useSpeech } from "@/i18n";

const UNDO_MS = 20_000;

export function useDeletion(collection: string, document: DocumentView, leave: (leaving: boolean) => void) {
  const { t } = useSpeech();
  const confirm = useConfirm();
  const navigate = useNavigate();
  const isHere = useIsHere();
  const restore = useRestore(collection);
  const title = document.title || document.key;
  const remove = useDelete(collection, (key, undoable) => {
    if (isHere()) void navigate(`/c/${collection}/documents`);
    const id = `deleted ${key}`;
    const undo = (version: number) => {
      notifications.hide(id);
      restore.mutate({ key, version });
    };
    const told =
      undoable === undefined ? "documents.deleted-unsure" : undoable === null ? "documents.deleted-for-good" : "documents.deleted-done";
    const message = (
      <Stack gap={6} align="flex-start">
        <Text size="sm">{t(told, { title })}</Text>
        {undoable != null && (
          <Button size="compact-xs" variant="default" onClick={() => undo(undoable)}>
            {t("documents.undo")}
          </Button>
        )}
      </Stack>
    );
    const closeButtonProps = { "aria-label": t("common.close") };
    notifications.show({ id, message, color: "green", autoClose: UNDO_MS, closeButtonProps });
  });
  const ask = async () => {
    const agreed = await confirm({
      title: t("documents.delete-ask", { title }),
      body: t(document.source === "api" ? "documents.delete-text" : "documents.delete-text-source", {
        key: document.key,
        source: document.source,
      }),
      action: t("common.delete"),
      danger: true,
    });
    if (!agreed) return;
    leave(true);
    remove.mutate({ key: document.key, version: document.version }, { onError: () => leave(false) });
  };
  return { ask, isPending: remove.isPending };
}
