/** Which tables become documents; those they join are chosen with the mapping. */
import { Button, Checkbox, Group, Stack, Table, Text, TextInput } from "@mantine/core";
import { Search } from "lucide-react";
import { useState } from "react";
import { type TableInfo, useTables } from "@/api/connect";
import { Empty } from "@/components/Empty";
import { Loaded } from "@/components/Loaded";
import { useSpeech } from "@/i18n";

interface Props {
  url: string;
  chosen: readonly string[];
  choose: (tables: readonly string[]) => void;
  back: () => void;
  next: (tables: readonly TableInfo[]) => void;
}

const COLUMNS_SHOWN = 8;

export function TablesStep({ url, chosen, choose, back, next }: Props) {
  const { t } = useSpeech();
  const tables = useTables(url, url !== "");
  const [wanted, setWanted] = useState("");
  return (
    <Stack>
      <Text size="sm">{t("connect.tables-lead")}</Text>
      <Loaded query={tables}>
        {(found) =>
          found.length === 0 ? (
            <Empty title={t("connect.no-tables")}>{t("connect.no-tables-text")}</Empty>
          ) : (
            <>
              <TextInput
                aria-label={t("connect.find-table")}
                placeholder={t("connect.find-table")}
                leftSection={<Search size={16} aria-hidden />}
                value={wanted}
                onChange={(event) => setWanted(event.currentTarget.value)}
                maw={360}
              />
              <List tables={found.filter((one) => one.name.toLowerCase().includes(wanted.toLowerCase()))} chosen={chosen} choose={choose} />
            </>
          )
        }
      </Loaded>
      <Group justify="space-between">
        <Button variant="default" onClick={back}>
          {t("common.back")}
        </Button>
        <Group gap="sm">
          <Text size="sm" role="status">
            {t("connect.chosen", { count: chosen.length })}
          </Text>
          <Button disabled={chosen.length === 0 || tables.data === undefined} onClick={() => next(tables.data ?? [])}>
            {t("connect.to-mapping")}
          </Button>
        </Group>
      </Group>
    </Stack>
  );
}

function List({ tables, chosen, choose }: Pick<Props, "chosen" | "choose"> & { tables: readonly TableInfo[] }) {
  const { t, language } = useSpeech();
  const toggle = (name: string) => choose(chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name]);
  return (
    <Table.ScrollContainer minWidth={620} type="native">
      <Table verticalSpacing="xs" highlightOnHover aria-label={t("connect.step.tables")}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">{t("connect.table")}</Table.Th>
            <Table.Th scope="col" ta="right">
              {t("connect.rows")}
            </Table.Th>
            <Table.Th scope="col">{t("connect.columns")}</Table.Th>
            <Table.Th scope="col">{t("connect.joins")}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {tables.map((one) => (
            <Table.Tr key={one.name}>
              <Table.Td>
                <Checkbox
                  label={one.name}
                  checked={chosen.includes(one.name)}
                  disabled={one.primary_key.length === 0}
                  onChange={() => toggle(one.name)}
                  description={one.primary_key.length === 0 ? t("connect.no-key") : undefined}
                />
              </Table.Td>
              <Table.Td ta="right">{one.estimated_rows == null ? "?" : `≈ ${one.estimated_rows.toLocaleString(language)}`}</Table.Td>
              <Table.Td>
                <Text size="sm">{columnsOf(one, t)}</Text>
              </Table.Td>
              <Table.Td>
                <Text size="sm">{one.includes.map((join) => join.alias).join(", ") || "–"}</Text>
              </Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Table.ScrollContainer>
  );
}

function columnsOf(table: TableInfo, t: ReturnType<typeof useSpeech>["t"]): string {
  const names = table.columns.map((column) => column.name);
  const shown = names.slice(0, COLUMNS_SHOWN).join(", ");
  return names.length > COLUMNS_SHOWN ? `${shown} ${t("connect.and-more", { count: names.length - COLUMNS_SHOWN })}` : shown;
}
