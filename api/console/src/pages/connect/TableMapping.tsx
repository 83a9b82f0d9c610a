/** The mapping of one table. */
import { Button, Checkbox, Fieldset, Group, MultiSelect, Select, Stack, Text, Textarea } from "@mantine/core";
import { useRef } from "react";
import type { Join, TableForm, TableInfo } from "@/api/connect";
import { useSpeech } from "@/i18n";
import { joinedColumn, named } from "./guess";

interface Props {
  table: TableInfo;
  tables: readonly TableInfo[];
  form: TableForm;
  change: (form: TableForm) => void;
}

export function TableMapping({ table, tables, form, change }: Props) {
  const { t } = useSpeech();
  const columns = table.columns.map((column) => named(column.name));
  const joined = Object.entries(form.include ?? {});
  const ofJoins = joined.flatMap(([alias, { table: name }]) => columnsOf(name, tables).map((column) => `${named(alias)}.${column}`));
  const without = (key: keyof TableForm) => {
    const rest = { ...form };
    delete rest[key];
    return rest;
  };
  // A mapping that was written by hand may hold more than this form can say; that stays as it is.
  const titles = columns.includes(form.title) ? columns : [form.title, ...columns];
  const facts = Array.isArray(form.metadata) ? form.metadata : [];
  const choices = [...new Set([...columns, ...ofJoins, ...facts])];
  const renamed = form.metadata !== undefined && !Array.isArray(form.metadata);
  return (
    <Stack gap="sm">
      <Select
        label={t("connect.map.title")}
        description={t("connect.map.title-hint")}
        data={titles}
        value={form.title}
        onChange={(title) => title && change({ ...form, title })}
        searchable
        allowDeselect={false}
      />
      <Body value={form.body} change={(body) => change({ ...form, body })} columns={[...columns, ...ofJoins]} />
      {table.includes.length > 0 && (
        <Fieldset legend={t("connect.map.joins")}>
          <Stack gap="xs">
            <Text size="xs" c="dimmed">
              {t("connect.map.joins-hint")}
            </Text>
            {table.includes.map((join) => (
              <Checkbox
                key={join.alias}
                label={t(join.many ? "connect.map.join-many" : "connect.map.join-one", { alias: join.alias, table: join.table })}
                checked={form.include?.[join.alias] !== undefined}
                onChange={(event) => change(withJoin(form, join, event.currentTarget.checked, tables))}
              />
            ))}
          </Stack>
        </Fieldset>
      )}
      <MultiSelect
        label={t("connect.map.metadata")}
        description={renamed ? t("connect.map.metadata-renamed", { names: Object.keys(form.metadata ?? {}).join(", ") }) : t("connect.map.metadata-hint")}
        data={choices}
        value={facts}
        disabled={renamed}
        onChange={(metadata) => change(metadata.length === 0 ? without("metadata") : { ...form, metadata })}
        searchable
        clearable
        clearButtonProps={{ "aria-label": t("connect.map.clear") }}
      />
      <Select
        label={t("connect.map.acl")}
        description={t("connect.map.acl-hint")}
        placeholder={Array.isArray(form.acl) ? form.acl.join(", ") : t("connect.map.acl-none")}
        data={typeof form.acl === "string" && !columns.includes(form.acl) ? [form.acl, ...columns] : columns}
        value={typeof form.acl === "string" ? form.acl : null}
        onChange={(acl) => change(acl === null ? without("acl") : { ...form, acl })}
        searchable
        clearable
        clearButtonProps={{ "aria-label": t("connect.map.clear") }}
      />
    </Stack>
  );
}

interface BodyProps {
  value: string;
  change: (value: string) => void;
  columns: readonly string[];
}

/** The text of a document as a template; a column's button puts it where the cursor is. */
function Body({ value, change, columns }: BodyProps) {
  const { t } = useSpeech();
  const area = useRef<HTMLTextAreaElement>(null);
  const insert = (column: string) => {
    const at = area.current?.selectionStart ?? value.length;
    const to = area.current?.selectionEnd ?? at;
    change(`${value.slice(0, at)}{${column}}${value.slice(to)}`);
    area.current?.focus();
  };
  return (
    <Stack gap={6}>
      <Textarea
        ref={area}
        label={t("connect.map.body")}
        description={t("connect.map.body-hint", { column: "{column}" })}
        value={value}
        onChange={(event) => change(event.currentTarget.value)}
        autosize
        minRows={3}
        maxRows={14}
        styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
      />
      <Group gap={4} role="group" aria-label={t("connect.map.insert")}>
        {columns.map((column) => (
          <Button key={column} size="compact-xs" variant="default" onClick={() => insert(column)} aria-label={t("connect.map.insert-one", { column })}>
            {column}
          </Button>
        ))}
      </Group>
    </Stack>
  );
}

/** With the join, and a line of the body that shows it; or without both. */
function withJoin(form: TableForm, join: Join, wanted: boolean, tables: readonly TableInfo[]): TableForm {
  const include = { ...form.include };
  const alias = named(join.alias);
  const names = `{${alias}.`;
  if (!wanted) {
    delete include[join.alias];
    const body = form.body.split("\n").filter((line) => !line.includes(names));
    const { include: _, metadata: __, ...rest } = form;
    const kept = Object.keys(include).length > 0 ? { include } : {};
    return { ...rest, ...kept, ...factsWithout(form, alias), body: body.join("\n") || `{${form.title}}` };
  }
  include[join.alias] = { table: join.table, on: join.on, ...(join.many ? { many: true } : {}) };
  const column = joinedColumn(join, tables);
  const line = column === null || form.body.includes(names) ? "" : `\n${join.alias}: {${alias}.${column}}`;
  return { ...form, include, body: form.body + line };
}

/** The facts of a table that are not a joined row's; nothing where none is left. */
function factsWithout({ metadata = [] }: TableForm, alias: string): Pick<TableForm, "metadata"> {
  const isTheirs = (column: string) => column.startsWith(`${alias}.`);
  if (Array.isArray(metadata)) {
    const left = metadata.filter((column) => !isTheirs(column));
    return left.length > 0 ? { metadata: left } : {};
  }
  const left = Object.entries(metadata).filter(([, column]) => !isTheirs(column));
  return left.length > 0 ? { metadata: Object.fromEntries(left) } : {};
}

function columnsOf(name: string, tables: readonly TableInfo[]): string[] {
  return tables.find((one) => one.name === name)?.columns.map((column) => named(column.name)) ?? [];
}
