/** What becomes of the rows: the mapping of each table beside a preview of real rows. */
import { Stack, Tabs } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { type ReactNode, useState } from "react";
import { type Forms, type Rows, type TableInfo, usePreview } from "@/api/connect";
import { Columns } from "@/components/Columns";
import { PreviewPane } from "./PreviewPane";
import { TableMapping } from "./TableMapping";

const TYPING_MS = 350; // after the last letter
const ROWS = 3; // of each table

interface Props {
  rows: Rows;
  tables: readonly TableInfo[];
  /** The tables that are mapped; `forms` has each of them. */
  chosen: readonly string[];
  forms: Forms;
  change: (forms: Forms) => void;
  /** What stands below; told whether the preview shows this very mapping, and documents of it. */
  foot: (ready: boolean) => ReactNode;
}

export function MappingEditor({ rows, tables, chosen, forms, change, foot }: Props) {
  const [wanted, setCurrent] = useState(chosen[0] ?? "");
  const current = chosen.includes(wanted) ? wanted : (chosen[0] ?? "");
  const [settled] = useDebouncedValue(forms, TYPING_MS);
  const preview = usePreview(rows, settled, ROWS);
  const stale = settled !== forms || preview.isPlaceholderData;
  const good = preview.data !== undefined && !preview.isError && preview.data.documents.length > 0;
  return (
    <Stack>
      <Columns least={380}>
        <Tabs value={current} onChange={(name) => name && setCurrent(name)} keepMounted={false}>
          <Tabs.List mb="md">
            {chosen.map((name) => (
              <Tabs.Tab key={name} value={name}>
                {name}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {chosen.map((name) => {
            const [table, form] = [tables.find((one) => one.name === name), forms[name]];
            return (
              <Tabs.Panel key={name} value={name}>
                {table && form && (
                  <TableMapping table={table} tables={tables} form={form} change={(changed) => change({ ...forms, [name]: changed })} />
                )}
              </Tabs.Panel>
            );
          })}
        </Tabs>
        <PreviewPane preview={preview} stale={stale} table={current} />
      </Columns>
      {foot(good && !stale)}
    </Stack>
  );
}
