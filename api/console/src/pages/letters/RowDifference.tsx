/** The row that a message tells of beside the one that is stored, column by column. */
import { Badge, Group, Stack, Table, Text, Title } from "@mantine/core";
import type { LetterRow } from "@/api/letters";
import { useSpeech } from "@/i18n";
import classes from "./RowDifference.module.css";

type Values = Record<string, unknown> | null;

export function RowDifference({ row }: { row: LetterRow }) {
  const { t } = useSpeech();
  const received = row.received as Values;
  const stored = row.stored as Values;
  const columns = [...new Set([...row.needed, ...Object.keys(received ?? {}), ...Object.keys(stored ?? {})])];
  const hint = received === null ? "letters.row-unreadable" : stored === null ? "letters.row-new" : "letters.row-hint";
  return (
    <Stack gap={4}>
      <Title order={3} size="h5">
        {t("letters.row", { table: row.table, key: row.key || "?" })}
      </Title>
      <Text size="sm" c="dimmed">
        {t(hint)}
      </Text>
      <Table.ScrollContainer minWidth={520} type="native">
        <Table verticalSpacing={6} aria-label={t("letters.row", { table: row.table, key: row.key || "?" })}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">{t("letters.column")}</Table.Th>
              <Table.Th scope="col">{t("letters.stored")}</Table.Th>
              <Table.Th scope="col">{t("letters.received")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {columns.map((column) => (
              <Row key={column} column={column} needed={row.needed.includes(column)} stored={stored} received={received} />
            ))}
          </Table.Tbody>
        </Table>
      </Table.ScrollContainer>
    </Stack>
  );
}

interface RowProps {
  column: string;
  needed: boolean;
  stored: Values;
  received: Values;
}

function Row({ column, needed, stored, received }: RowProps) {
  const { t } = useSpeech();
  const change = changeOf(column, stored, received);
  return (
    <Table.Tr className={change === "" ? undefined : classes.changed}>
      <Table.Th scope="row">
        <Group gap={6}>
          {column}
          {change !== "" && (
            <Badge size="sm" variant="light" color={change === "missing" ? "red" : "yellow"} tt="none">
              {t(`letters.change.${change}`)}
            </Badge>
          )}
          {!needed && (
            <Text size="xs" c="dimmed" span>
              {t("letters.not-used")}
            </Text>
          )}
        </Group>
      </Table.Th>
      <Table.Td>{shown(column, stored)}</Table.Td>
      <Table.Td>{shown(column, received)}</Table.Td>
    </Table.Tr>
  );
}

function changeOf(column: string, stored: Values, received: Values): "" | "changed" | "missing" | "added" {
  if (stored === null || received === null) return "";
  const [before, after] = [column in stored, column in received];
  if (before && !after) return "missing";
  if (!before && after) return "added";
  return JSON.stringify(stored[column]) === JSON.stringify(received[column]) ? "" : "changed";
}

function shown(column: string, row: Values): string {
  if (row === null || !(column in row)) return "–";
  const value = row[column];
  return typeof value === "string" ? value : JSON.stringify(value);
}
