/** The groups that keys and collections name: who is in them, and what they would see. */
import { Anchor, Button, Group, Paper, Select, Stack, TagsInput, Text, Title } from "@mantine/core";
import { useState } from "react";
import { Link } from "react-router";
import { type AccessKey, keyState, useKeys } from "@/api/access";
import { type Collection, useCollections } from "@/api/collections";
import { type Column, DataTable } from "@/components/DataTable";
import { Empty } from "@/components/Empty";
import { Loaded } from "@/components/Loaded";
import { useSpeech } from "@/i18n";
import { seenBy } from "./groupLinks";

interface Row {
  readonly name: string;
  readonly keys: readonly AccessKey[];
  readonly collections: readonly Collection[];
}

export function Groups() {
  const { t } = useSpeech();
  const keys = useKeys();
  const collections = useCollections().data ?? [];
  return (
    <Stack gap="md">
      <WhatWouldSee collections={collections} />
      <Loaded query={keys}>
        {(found) => {
          const rows = rowsOf(found, collections);
          return rows.length === 0 ? <Empty title={t("access.no-groups")}>{t("access.no-groups-text")}</Empty> : <Table rows={rows} collections={collections} />;
        }}
      </Loaded>
    </Stack>
  );
}

/** Search as somebody of these groups. */
function WhatWouldSee({ collections }: { collections: readonly Collection[] }) {
  const { t } = useSpeech();
  const [collection, setCollection] = useState<string | null>(null);
  const [groups, setGroups] = useState<string[]>([]);
  const chosen = collection ?? collections[0]?.name ?? null;
  return (
    <Paper withBorder radius="md" p="md">
      <Title order={2} size="h4">
        {t("access.would-see")}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t("access.would-see-hint")}
      </Text>
      <Group align="flex-end" gap="sm">
        <Select
          label={t("common.collection")}
          data={collections.map((one) => one.name)}
          value={chosen}
          onChange={setCollection}
          allowDeselect={false}
        />
        <TagsInput label={t("access.groups")} placeholder={groups.length === 0 ? t("access.nobody") : undefined} value={groups} onChange={setGroups} miw={240} />
        {chosen !== null && (
          <Button component={Link} to={seenBy(chosen, groups)}>
            {t("access.look")}
          </Button>
        )}
      </Group>
    </Paper>
  );
}

function Table({ rows, collections }: { rows: readonly Row[]; collections: readonly Collection[] }) {
  const { t } = useSpeech();
  const first = collections[0]?.name;
  const columns: Column<Row>[] = [
    {
      head: t("access.group"),
      cell: (row) => (
        <Text size="sm" fw={600}>
          {row.name}
        </Text>
      ),
    },
    { head: t("access.keys-of"), cell: (row) => row.keys.map((key) => key.name || key.id).join(", ") || "–" },
    { head: t("access.default-of"), cell: (row) => row.collections.map((one) => one.name).join(", ") || "–" },
    {
      head: t("access.would-see"),
      cell: (row) => {
        const at = row.collections[0]?.name ?? first;
        return at ? (
          <Anchor component={Link} to={seenBy(at, [row.name])} size="sm">
            {t("access.look-as", { name: row.name })}
          </Anchor>
        ) : (
          "–"
        );
      },
    },
  ];
  return (
    <Paper withBorder radius="md" p="md">
      <Title order={2} size="h4">
        {t("access.groups")}
      </Title>
      <Text size="sm" c="dimmed" mb="xs">
        {t("access.groups-lead")}
      </Text>
      <DataTable name={t("access.groups")} columns={columns} rows={rows} rowKey={(row) => row.name} />
    </Paper>
  );
}

function rowsOf(keys: readonly AccessKey[], collections: readonly Collection[]): Row[] {
  const living = keys.filter((key) => keyState(key) === "active");
  const names = new Set([...living.flatMap((key) => key.groups), ...collections.flatMap((one) => one.default_acl)]);
  return [...names].sort().map((name) => ({
    name,
    keys: living.filter((key) => key.groups.includes(name)),
    collections: collections.filter((one) => one.default_acl.includes(name)),
  }));
}
