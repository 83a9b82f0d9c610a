/** What becomes of the rows: a guess to begin with, changed beside a preview of real rows. */
import { Button, Group, Stack, Text } from "@mantine/core";
import { useEffect } from "react";
import type { Forms, TableInfo } from "@/api/connect";
import { useSpeech } from "@/i18n";
import { guessed } from "./guess";
import { MappingEditor } from "./MappingEditor";

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
    if (Object.keys(forms).length < chosen.length) change(guessed(chosen, forms, tables));
  }, [chosen]);
  if (chosen.some((name) => forms[name] === undefined)) return null;
  const foot = (ready: boolean) => (
    <Group justify="space-between">
      <Button variant="default" onClick={back}>
        {t("common.back")}
      </Button>
      <Button disabled={!ready} onClick={next}>
        {t("connect.to-start")}
      </Button>
    </Group>
  );
  return (
    <Stack>
      <Text size="sm">{t("connect.mapping-lead")}</Text>
      <MappingEditor rows={{ url }} tables={tables} chosen={chosen} forms={forms} change={change} foot={foot} />
    </Stack>
  );
}
