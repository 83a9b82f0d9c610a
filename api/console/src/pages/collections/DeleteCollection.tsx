/** Deletes a collection, once its name was typed: nothing of it can be brought back. */
import { Alert, Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { TriangleAlert } from "lucide-react";
import { type FormEvent, useState } from "react";
import { api, call } from "@/api/client";
import { useOverview } from "@/api/overview";
import { Modal } from "@/components/overlays";
import { useAct } from "@/hooks/act";
import { useSpeech } from "@/i18n";

export function DeleteCollection({ collection, close }: { collection: string; close: () => void }) {
  const { t } = useSpeech();
  const [typed, setTyped] = useState("");
  const overview = useOverview().data;
  const live = (overview?.sources ?? []).filter((one) => one.collection === collection && one.kind === "database");
  const documents = overview?.collections.find((one) => one.name === collection)?.documents;
  const remove = useAct({
    act: () => call(api.DELETE("/v1/collections/{collection}", { params: { path: { collection } } })),
    done: t("collections.deleted", { name: collection }),
    touches: [["collections"], ["overview"], ["sources"]],
    then: close,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (typed === collection && live.length === 0) remove.mutate();
  };
  return (
    <Modal
      opened
      onClose={close}
      title={t("collections.delete-title", { name: collection })}
    >
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">{t("collections.delete-text", { name: collection, count: documents ?? 0 })}</Text>
          {live.length > 0 && (
            <Alert color="yellow" icon={<TriangleAlert size={18} aria-hidden />}>
              {t("collections.delete-live", { sources: live.map((one) => one.name).join(", ") })}
            </Alert>
          )}
          <TextInput
            label={t("collections.type-name", { name: collection })}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            autoComplete="off"
            data-autofocus
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              {t("common.cancel")}
            </Button>
            <Button type="submit" color="red" disabled={typed !== collection || live.length > 0} loading={remove.isPending}>
              {t("collections.delete-go")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
