/** Deletes a source: what happens is said plainly, what could not be reached is told with the SQL to run. */
import { Alert, Button, Group, Radio, Stack, Text } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import type { Model } from "@/api/client";
import { LIVE, useDeleteSource } from "@/api/sources";
import { CodeText } from "@/components/CodeText";
import { Modal } from "@/components/overlays";
import { useSpeech } from "@/i18n";

interface Props {
  collection: string;
  source: { name: string; kind: string };
  opened: boolean;
  close: () => void;
  then: () => void;
}

export function DeleteSource({ collection, source, opened, close, then }: Props) {
  const { t } = useSpeech();
  const [documents, setDocuments] = useState<"delete" | "keep">("delete");
  const [left, setLeft] = useState<Model<"LeftoverView">[]>([]);
  const remove = useDeleteSource(collection);
  const client = useQueryClient();
  const leave = () => {
    then();
    const touched = [["sources"], ["overview"], ["letters"], ["content", collection]];
    for (const queryKey of touched) void client.invalidateQueries({ queryKey });
  };
  const go = () =>
    remove.mutate(
      { ...source, documents },
      {
        onSuccess: (done) => {
          if (done.leftovers.length > 0) setLeft(done.leftovers);
          else leave();
        },
      },
    );
  return (
    <Modal
      opened={opened}
      onClose={left.length > 0 ? leave : close}
      // What could not be reached is told once, here: not while it may yet come, nor by a slip.
      closeOnClickOutside={!remove.isPending && left.length === 0}
      closeOnEscape={!remove.isPending && left.length === 0}
      withCloseButton={!remove.isPending}
      title={t("sources.delete-title", { name: source.name })}
    >
      {left.length > 0 ? (
        <Stack>
          <Alert color="yellow" title={t("sources.left-title")}>
            {t("sources.left-text")}
          </Alert>
          {left.map((one) => (
            <Stack gap={4} key={one.what}>
              <Text size="sm" fw={600}>
                {one.what}
              </Text>
              <Text size="sm">{one.why}</Text>
              {one.sql && <CodeText value={one.sql} label={t("connect.sql")} />}
            </Stack>
          ))}
          <Group justify="flex-end">
            <Button onClick={leave}>{t("common.close")}</Button>
          </Group>
        </Stack>
      ) : (
        <Stack>
          <Text size="sm">{t(source.kind === LIVE ? "sources.delete-live" : "sources.delete-other", { name: source.name })}</Text>
          <Radio.Group value={documents} onChange={(value) => setDocuments(value as "delete" | "keep")} label={t("sources.delete-documents")}>
            <Stack gap="xs" mt="xs">
              <Radio value="delete" label={t("sources.documents-delete")} />
              <Radio value="keep" label={t("sources.documents-keep")} />
            </Stack>
          </Radio.Group>
          <Group justify="flex-end">
            <Button variant="default" onClick={close} disabled={remove.isPending} data-autofocus>
              {t("common.cancel")}
            </Button>
            <Button color="red" loading={remove.isPending} onClick={go}>
              {t("sources.delete-go", { name: source.name })}
            </Button>
          </Group>
        </Stack>
      )}
    </Modal>
  );
}
