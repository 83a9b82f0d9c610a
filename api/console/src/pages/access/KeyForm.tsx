/** Makes a key; its text is shown once and nowhere else. */
import { Alert, Button, Code, Group, MultiSelect, Select, Stack, Switch, TagsInput, Text, TextInput } from "@mantine/core";
import { type FormEvent, useRef, useState } from "react";
import { type NewKey, useCreateKey } from "@/api/access";
import { useCollections } from "@/api/collections";
import { Copying } from "@/components/CodeText";
import { Failure } from "@/components/Failure";
import { Drawer } from "@/components/overlays";
import { useSpeech } from "@/i18n";

const SCOPES = ["read", "write", "admin"] as const;
const DAYS = [7, 30, 90, 365, 1095] as const;

export function KeyForm({ opened, close }: { opened: boolean; close: () => void }) {
  const { t } = useSpeech();
  // From the request on only the button that says so closes it: the key is shown once.
  const [held, hold] = useState(false);
  const leave = () => {
    hold(false);
    close();
  };
  return (
    <Drawer
      opened={opened}
      onClose={leave}
      closeOnEscape={!held}
      withCloseButton={!held}
      title={t("access.new-key")}
    >
      <Form close={leave} hold={hold} />
    </Drawer>
  );
}

function Form({ close, hold }: { close: () => void; hold: (held: boolean) => void }) {
  const { t } = useSpeech();
  const collections = (useCollections().data ?? []).map((one) => one.name);
  const [made, setMade] = useState<NewKey | null>(null);
  const [name, setName] = useState("");
  const [scope, setScope] = useState<(typeof SCOPES)[number]>("read");
  const [some, setSome] = useState(false);
  const [chosen, setChosen] = useState<string[]>([]);
  const [groups, setGroups] = useState<string[]>([]);
  const [days, setDays] = useState(90);
  const create = useCreateKey(setMade);
  const send = (event: FormEvent) => {
    event.preventDefault();
    hold(true);
    create.mutate({ name, scope, collections: some ? chosen : null, groups, expires_at: null, days }, { onError: () => hold(false) });
  };
  if (made) return <Made made={made} close={close} />;
  return (
    <form onSubmit={send}>
      <Stack>
        <TextInput
          label={t("common.name")}
          description={t("access.name-hint")}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          required
          data-autofocus
        />
        <Select
          label={t("access.scope")}
          description={t(`access.scope-${scope}`)}
          data={SCOPES.map((value) => ({ value, label: t(`right.${value}`) }))}
          value={scope}
          onChange={(value) => setScope((value ?? "read") as typeof scope)}
          allowDeselect={false}
        />
        <Switch label={t("access.some")} description={t("access.some-hint")} checked={some} onChange={(event) => setSome(event.currentTarget.checked)} />
        {some && <MultiSelect label={t("access.collections")} data={collections} value={chosen} onChange={setChosen} searchable />}
        <TagsInput label={t("access.groups")} description={t("access.groups-hint")} value={groups} onChange={setGroups} />
        <Select
          label={t("access.expires-after")}
          data={DAYS.map((value) => ({ value: String(value), label: t("access.days", { count: value }) }))}
          value={String(days)}
          onChange={(value) => setDays(Number(value))}
          allowDeselect={false}
        />
        {create.isError && <Failure error={create.error} />}
        <Group justify="flex-end">
          <Button type="submit" loading={create.isPending} disabled={name.trim() === "" || (some && chosen.length === 0)}>
            {t("access.make")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

function Made({ made, close }: { made: NewKey; close: () => void }) {
  const { t } = useSpeech();
  const shown = useRef<HTMLElement>(null);
  return (
    <Stack>
      <Alert color="green" title={t("access.made", { name: made.name })} role="status">
        {t("access.once")}
      </Alert>
      <Group wrap="nowrap" gap="xs">
        <Code block ref={shown} aria-label={t("common.key")} data-testid="new-key">
          {made.key}
        </Code>
        <Copying value={made.key} shown={shown} />
      </Group>
      <Text size="sm" c="dimmed">
        {t("access.use")} <Code>Authorization: Bearer {made.key.slice(0, 8)}…</Code>
      </Text>
      <Group justify="flex-end">
        <Button onClick={close}>{t("access.have-it")}</Button>
      </Group>
    </Stack>
  );
}
