/** The name of the source, the collection it fills, and the start. */
import { Alert, Autocomplete, Button, Group, Radio, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useCollections } from "@/api/collections";
import { type Forms, type Mode, useCreateSource } from "@/api/connect";
import { CodeText, pretty } from "@/components/CodeText";
import { Failure } from "@/components/Failure";
import { useSpeech } from "@/i18n";
import type { StartedSource } from "./startedSource";

const SOURCE = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;
const COLLECTION = /^[a-z0-9][a-z0-9_-]{0,62}$/;

interface Props {
  url: string;
  database: string;
  forms: Forms;
  mode: Mode;
  choose: (mode: Mode) => void;
  liveAllowed: boolean;
  into: string;
  back: () => void;
  next: (made: StartedSource) => void;
}

export function StartStep({ url, database, forms, mode, choose, liveAllowed, into, back, next }: Props) {
  const { t } = useSpeech();
  const collections = (useCollections().data ?? []).map((one) => one.name);
  const [name, setName] = useState(nameOf(database));
  const [collection, setCollection] = useState(into || (collections[0] ?? nameOf(database).toLowerCase()));
  const create = useCreateSource(({ source, failure }) => next({ name: source.name, collection: source.collection, mode, failure }));
  const wrongName = name !== "" && !SOURCE.test(name);
  const wrongCollection = collection !== "" && !COLLECTION.test(collection);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name && collection && !wrongName && !wrongCollection) create.mutate({ name, collection, url, tables: forms, mode });
  };
  const isNew = collection !== "" && !collections.includes(collection);
  return (
    <form onSubmit={submit}>
      <Stack maw={640}>
        <TextInput
          label={t("connect.source-name")}
          description={t("connect.source-name-hint")}
          value={name}
          onChange={(event) => setName(event.currentTarget.value)}
          error={wrongName ? t("connect.source-name-wrong") : undefined}
          required
          data-autofocus
        />
        <Autocomplete
          label={t("common.collection")}
          description={isNew && !wrongCollection ? t("connect.collection-new", { name: collection }) : t("connect.collection-hint")}
          data={collections}
          value={collection}
          onChange={setCollection}
          error={wrongCollection ? t("collections.name-wrong") : undefined}
          required
        />
        <Radio.Group label={t("connect.mode")} value={mode} onChange={(value) => choose(value as Mode)}>
          <Stack gap="xs" mt="xs">
            <Radio value="live" label={t("connect.live")} disabled={!liveAllowed} />
            <Radio value="snapshot" label={t("connect.snapshot")} />
          </Stack>
        </Radio.Group>
        <details>
          <Text component="summary" size="sm">
            {t("connect.as-text")}
          </Text>
          <CodeText value={pretty({ tables: forms })} label={t("connect.as-text")} />
        </details>
        <Alert color="blue">{t(mode === "live" ? "connect.start-live" : "connect.start-snapshot")}</Alert>
        {create.isError && <Failure error={create.error} />}
        <Group justify="space-between">
          <Button variant="default" onClick={back} disabled={create.isPending}>
            {t("common.back")}
          </Button>
          <Button type="submit" loading={create.isPending}>
            {t("connect.start")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** A name that the API takes, after the database's. */
function nameOf(database: string): string {
  return database.replace(/[^A-Za-z0-9_.-]+/g, "-").replace(/^[^A-Za-z0-9]+/, "").slice(0, 60) || "database";
}
