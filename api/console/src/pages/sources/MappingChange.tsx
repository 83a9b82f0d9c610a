/** Another mapping for a source: which tables, what becomes of their rows, and what that does to what is stored. */
import { Alert, Button, Group, MultiSelect, Stack } from "@mantine/core";
import { useState } from "react";
import type { Forms, TableInfo } from "@/api/connect";
import { type SourceStatus, useChangeMapping, useSourceTables } from "@/api/sources";
import { useConfirm } from "@/components/confirm";
import { Failure } from "@/components/Failure";
import { Loaded } from "@/components/Loaded";
import { useSpeech } from "@/i18n";
import { guessed } from "../connect/guess";
import { MappingEditor } from "../connect/MappingEditor";

interface Props {
  collection: string;
  status: SourceStatus;
  close: () => void;
}

export function MappingChange({ collection, status, close }: Props) {
  const { t } = useSpeech();
  const confirm = useConfirm();
  const known = useSourceTables(collection, status.name);
  const stored = status.tables as Forms;
  const [forms, setForms] = useState(stored);
  const [drafts, setDrafts] = useState(stored); // also of tables that were taken out: they may come back
  const change = useChangeMapping(collection, status, close);
  const chosen = Object.keys(forms);
  const isNew = [...chosen, ...Object.keys(stored)].some((table) => JSON.stringify(forms[table]) !== JSON.stringify(stored[table]));
  const choose = (names: string[], tables: readonly TableInfo[]) => {
    if (names.length === 0) return;
    const known = { ...drafts, ...forms };
    setDrafts(known);
    setForms(guessed(names, known, tables));
  };
  const save = async () => {
    const gone = Object.keys(stored).filter((table) => forms[table] === undefined);
    const tables = gone.join(", ");
    const question = { title: t("sources.map-gone-title", { tables }), body: t("sources.map-gone-text"), action: t("common.save"), danger: true };
    if (gone.length === 0 || (await confirm(question))) change.mutate(forms);
  };
  const foot = (ready: boolean) => (
    <Stack gap="sm">
      <Alert color="blue">{t("sources.map-hint")}</Alert>
      {change.isError && <Failure error={change.error} />}
      <Group justify="flex-end">
        <Button variant="default" onClick={close}>
          {t("common.cancel")}
        </Button>
        <Button disabled={!ready || !isNew} loading={change.isPending} onClick={() => void save()}>
          {t("sources.map-save")}
        </Button>
      </Group>
    </Stack>
  );
  return (
    <Loaded query={known}>
      {(tables) => (
        <Stack>
          <MultiSelect
            label={t("sources.map-tables")}
            data={tables.filter((one) => one.primary_key.length > 0).map((one) => one.name)}
            value={chosen}
            onChange={(names) => choose(names, tables)}
            searchable
          />
          <MappingEditor
            rows={{ collection, source: status.name }}
            tables={tables}
            chosen={chosen}
            forms={forms}
            change={setForms}
            foot={foot}
          />
        </Stack>
      )}
    </Loaded>
  );
}
