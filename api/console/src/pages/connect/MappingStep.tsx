/** What becomes of the rows: title, body, facts, rights and joined tables, beside a preview of real rows. */
import { Button, Group, Stack, Tabs, Text } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useEffect, useState } from "react";
import { type Forms, type TableForm, type TableInfo, usePreview } from "@/api/connect";
import { Columns } from "@/components/Columns";
import { useSpeech } from "@/i18n";
import { guess } from "./guess";
import { PreviewPane } from "./PreviewPane";
import { TableMapping } from "./TableMapping";

const TYPING_MS = 350; // after the last letter
const ROWS = 3; // of each table

interface Props {
  url: string;
  tables: readonly TableInfo[];
  chosen: readonly string[];
  forms: Forms;
  change: (forms: Forms) => void;
  back: () => void;
  next: () => void;
}

export function MappingStep({ url, tables, chosen, forms, change, back, next }: Props) {
  const { t } = useSpeech();
  useEffect(() => {
    const guessed = Object.fromEntries(chosen.map((name) => [name, forms[name] ?? guessOf(name, tables)]));
    if (Object.keys(forms).length < chosen.length) change(guessed);
  }, [chosen]);
  if (chosen.some((name) => forms[name] === undefined)) return null;
  return <Mapped {...{ url, tables, chosen, forms, change, back, next }} t={t} />;
}

function Mapped({ url, tables, chosen, forms, change, back, next, t }: Props & { t: ReturnType<typeof useSpeech>["t"] }) {
  const [current, setCurrent] = useState(chosen[0] ?? "");
  const [settled] = useDebouncedValue(forms, TYPING_MS);
  const preview = usePreview(url, settled, ROWS);
  const stale = settled !== forms || preview.isPlaceholderData;
  const good = preview.data !== undefined && !preview.isError && preview.data.documents.length > 0;
  const set = (name: string, form: TableForm) => change({ ...forms, [name]: form });
  return (
    <Stack>
      <Text size="sm">{t("connect.mapping-lead")}</Text>
      <Columns least={380}>
        <Tabs value={current} onChange={(name) => name && setCurrent(name)} keepMounted={false}>
          <Tabs.List mb="md">
            {chosen.map((name) => (
              <Tabs.Tab key={name} value={name}>
                {name}
              </Tabs.Tab>
            ))}
          </Tabs.List>
          {chosen.map((name) => (
            <Tabs.Panel key={name} value={name}>
              <TableMapping
                table={tables.find((one) => one.name === name) as TableInfo}
                tables={tables}
                form={forms[name] as TableForm}
                change={(form) => set(name, form)}
              />
            </Tabs.Panel>
          ))}
        </Tabs>
        <PreviewPane preview={preview} stale={stale} table={current} />
      </Columns>
      <Group justify="space-between">
        <Button variant="default" onClick={back}>
          {t("common.back")}
        </Button>
        <Button disabled={!good || stale} onClick={next}>
          {t("connect.to-start")}
        </Button>
      </Group>
    </Stack>
  );
}

function guessOf(name: string, tables: readonly TableInfo[]): TableForm {
  const table = tables.find((one) => one.name === name);
  return table === undefined ? { title: "", body: "" } : guess(table);
}
