/** The keys: what each may, until when; make one, revoke one. */
import { Anchor, Button, Group, Paper, Stack, Switch, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { KeyRound } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";
import { type AccessKey, keyState, useKeys, useRevokeKey } from "@/api/access";
import { chosenCollection, useCollections } from "@/api/collections";
import { State } from "@/components/Badges";
import { useConfirm } from "@/components/confirm";
import { type Column, DataTable } from "@/components/DataTable";
import { Loaded } from "@/components/Loaded";
import { Time } from "@/components/Time";
import { useSpeech } from "@/i18n";
import { seenBy } from "./groupLinks";
import { KeyForm } from "./KeyForm";

export function Keys() {
  const { t } = useSpeech();
  const keys = useKeys();
  const [opened, form] = useDisclosure(false);
  const [all, setAll] = useState(false);
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Switch label={t("access.show-all")} checked={all} onChange={(event) => setAll(event.currentTarget.checked)} />
        <Button leftSection={<KeyRound size={16} aria-hidden />} onClick={form.open}>
          {t("access.new-key")}
        </Button>
      </Group>
      <Loaded query={keys}>{(found) => <Table keys={all ? found : found.filter((key) => keyState(key) === "active")} />}</Loaded>
      <KeyForm opened={opened} close={form.close} />
    </Stack>
  );
}

function Table({ keys }: { keys: readonly AccessKey[] }) {
  const { t, textOr } = useSpeech();
  const confirm = useConfirm();
  const revoke = useRevokeKey();
  const collection = chosenCollection(useCollections().data, "");
  const drop = async (key: AccessKey) => {
    const name = key.name || key.id;
    const question = { title: t("access.revoke-title", { name }), body: t("access.revoke-text"), action: t("access.revoke"), danger: true };
    if (await confirm(question)) revoke.mutate(key.id);
  };
  const columns: Column<AccessKey>[] = [
    {
      head: t("common.name"),
      cell: (key) => (
        <Stack gap={0}>
          <Text size="sm" fw={600}>
            {key.name || t("access.no-name")}
          </Text>
          <Text size="xs" c="dimmed">
            kb_{key.id}…
          </Text>
        </Stack>
      ),
    },
    { head: t("access.scope"), cell: (key) => textOr(`right.${key.scope}`, key.scope) },
    { head: t("access.collections"), cell: (key) => (key.collections === null ? t("common.all") : key.collections.join(", ") || t("common.none")) },
    {
      head: t("access.groups"),
      cell: (key) => {
        const to = collection && seenBy(key.collections?.[0] ?? collection, key.groups);
        return (
          <Stack gap={0}>
            <Text size="sm">{key.groups.join(", ") || "–"}</Text>
            {to && key.scope !== "admin" && (
              <Anchor component={Link} to={to} size="xs">
                {t("access.see-as")}
              </Anchor>
            )}
          </Stack>
        );
      },
    },
    { head: t("common.state"), cell: (key) => <State value={keyState(key)} /> },
    { head: t("access.expires"), cell: (key) => (key.expires_at ? <Time value={key.expires_at} /> : t("common.never")) },
    {
      head: t("common.actions"),
      cell: (key) =>
        keyState(key) === "active" && (
          <Button size="compact-xs" variant="default" color="red" onClick={() => void drop(key)} aria-label={t("access.revoke-name", { name: key.name || key.id })}>
            {t("access.revoke")}
          </Button>
        ),
    },
  ];
  return (
    <Paper withBorder radius="md" p="md">
      <DataTable name={t("access.keys")} columns={columns} rows={keys} rowKey={(key) => key.id} leastWidth={700} />
    </Paper>
  );
}
