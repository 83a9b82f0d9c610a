/** A table with a name and column heads; wide ones scroll in a region that the keyboard reaches. */
import { ScrollArea, Table } from "@mantine/core";
import type { ReactNode } from "react";
import { useSpeech } from "@/i18n";

export interface Column<Row> {
  readonly head: string;
  readonly cell: (row: Row) => ReactNode;
  readonly numeric?: boolean;
  readonly width?: number | string;
  /** Holds names, keys or texts of any length: they break where they must, instead of making the table wide. */
  readonly long?: boolean;
}

interface Props<Row> {
  /** What the table holds, for screen readers. */
  name: string;
  columns: readonly Column<Row>[];
  rows: readonly Row[];
  rowKey: (row: Row) => string | number;
  leastWidth?: number;
}

export function DataTable<Row>({ name, columns, rows, rowKey, leastWidth = 640 }: Props<Row>) {
  const { t } = useSpeech();
  return (
    <ScrollArea type="auto" offsetScrollbars="present" viewportProps={{ tabIndex: 0, role: "region", "aria-label": t("common.rows", { name }) }}>
      <Table miw={leastWidth} verticalSpacing="xs" highlightOnHover aria-label={name}>
        <Table.Thead>
          <Table.Tr>
            {columns.map((column) => (
              <Table.Th key={column.head} ta={column.numeric ? "right" : undefined} w={column.width} scope="col">
                {column.head}
              </Table.Th>
            ))}
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {rows.map((row) => (
            <Table.Tr key={rowKey(row)}>
              {columns.map((column) => (
                <Table.Td key={column.head} ta={column.numeric ? "right" : undefined} data-long={column.long || undefined}>
                  {column.cell(row)}
                </Table.Td>
              ))}
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </ScrollArea>
  );
}
