/** The audit log: who did what to which thing, newest first, by name, act and thing. */
import { Badge, Group, Paper, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useState } from "react";
import { type Act, type AuditFilter, fetchAudit } from "@/api/access";
import { type Column, DataTable } from "@/components/DataTable";
import { Empty } from "@/components/Empty";
import { Loaded } from "@/components/Loaded";
import { Pager } from "@/components/Pager";
import { Time } from "@/components/Time";
import { PAGE_SIZE, usePages } from "@/hooks/pages";
import { useSpeech } from "@/i18n";

const PAUSE_MS = 300; // of typing
const FIELDS = ["principal", "action", "target"] as const;

export function Audit() {
  const { t } = useSpeech();
  const [typed, setTyped] = useState<AuditFilter>({ principal: "", action: "", target: "" });
  const [filter] = useDebouncedValue(typed, PAUSE_MS);
  const list = usePages(["audit", filter], (cursor) => fetchAudit(filter, PAGE_SIZE, cursor));
  return (
    <Stack gap="sm">
      <Group gap="sm" grow>
        {FIELDS.map((field) => (
          <TextInput
            key={field}
            size="sm"
            label={t(`access.audit-${field}`)}
            placeholder={t("access.audit-any")}
            value={typed[field]}
            onChange={(event) => setTyped({ ...typed, [field]: event.currentTarget.value })}
          />
        ))}
      </Group>
      <Loaded query={list.query}>{(page) => (page.audit.length === 0 ? <Empty title={t("access.audit-none")} /> : <Table acts={page.audit} />)}</Loaded>
      <Pager number={list.number} next={list.next} previous={list.previous} />
    </Stack>
  );
}

function Table({ acts }: { acts: readonly Act[] }) {
  const { t } = useSpeech();
  const columns: Column<Act>[] = [
    { head: t("access.when"), cell: (act) => <Time value={act.at} /> },
    { head: t("access.audit-principal"), cell: (act) => act.principal },
    {
      head: t("access.audit-action"),
      cell: (act) => (
        <Group gap={6}>
          <Text size="sm">{act.action}</Text>
          {isDenial(act) && (
            <Badge color="red" variant="light" size="sm" tt="none">
              {t("access.denied")}
            </Badge>
          )}
        </Group>
      ),
      long: true,
    },
    { head: t("access.audit-target"), cell: (act) => act.target || "–", long: true },
    {
      head: t("common.details"),
      cell: (act) => (
        <Text size="xs" c="dimmed">
          {Object.entries(act.detail)
            .map(([name, value]) => `${name}: ${typeof value === "string" ? value : JSON.stringify(value)}`)
            .join(" · ")}
        </Text>
      ),
      long: true,
    },
  ];
  return (
    <Paper withBorder radius="md" p="md">
      <DataTable name={t("access.audit")} columns={columns} rows={acts} rowKey={(act) => act.id} leastWidth={760} />
    </Paper>
  );
}

/** Whether the act was refused for want of rights. */
function isDenial(act: Act): boolean {
  const status = act.detail["status"];
  return act.detail["denied"] === true || (typeof status === "number" && (status === 401 || status === 403));
}
