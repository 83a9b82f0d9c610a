/** What runs again and again: on or off, how often, now, never more. */
import { ActionIcon, Button, Group, Paper, Select, Stack, Switch, Text, Tooltip } from "@mantine/core";
import { Play, Trash2 } from "lucide-react";
import { type Schedule, useScheduleActs, useSchedules } from "@/api/jobs";
import { useAllows } from "@/api/session";
import { useConfirm } from "@/components/confirm";
import { type Column, DataTable } from "@/components/DataTable";
import { Empty } from "@/components/Empty";
import { Loaded } from "@/components/Loaded";
import { Time } from "@/components/Time";
import { type Speech, useSpeech } from "@/i18n";
import { every, INTERVALS } from "./intervals";

const BUILT_IN = new Set(["verify-daily", "compaction-daily", "retention-daily", "snapshot-hourly"]);

export function Schedules() {
  const { t } = useSpeech();
  const schedules = useSchedules();
  return (
    <Loaded query={schedules}>
      {(found) => (found.length === 0 ? <Empty title={t("jobs.no-schedules")} /> : <Table schedules={found} />)}
    </Loaded>
  );
}

function Table({ schedules }: { schedules: readonly Schedule[] }) {
  const speech = useSpeech();
  const { t, textOr } = speech;
  const allows = useAllows();
  const confirm = useConfirm();
  const { change, run, remove } = useScheduleActs();
  const may = (one: Schedule) => (one.collection === "" ? allows("operator") : allows("admin"));
  const drop = async (name: string) => {
    const question = { title: t("jobs.delete-schedule", { name }), body: t("jobs.delete-schedule-text"), action: t("common.delete") };
    if (await confirm({ ...question, danger: true })) remove.mutate(name);
  };
  const columns: Column<Schedule>[] = [
    {
      head: t("common.name"),
      long: true,
      cell: (one) => (
        <Stack gap={0}>
          <Text size="sm" fw={600}>
            {one.name}
          </Text>
          <Text size="xs" c="dimmed">
            {textOr(`job.${one.kind}`, one.kind)} · {one.collection || t("jobs.all-collections")}
          </Text>
        </Stack>
      ),
    },
    {
      head: t("jobs.on"),
      cell: (one) => (
        <Switch
          aria-label={t("jobs.on-name", { name: one.name })}
          checked={one.enabled}
          disabled={!may(one)}
          onChange={(event) => change.mutate({ name: one.name, body: { enabled: event.currentTarget.checked } })}
        />
      ),
    },
    {
      head: t("jobs.every"),
      cell: (one) => (
        <Select
          size="xs"
          aria-label={t("jobs.every-name", { name: one.name })}
          data={choices(one.every_seconds, speech)}
          value={String(one.every_seconds)}
          disabled={!may(one)}
          onChange={(value) => change.mutate({ name: one.name, body: { every_seconds: Number(value) } })}
          allowDeselect={false}
        />
      ),
      width: 170,
    },
    { head: t("jobs.next"), cell: (one) => (one.enabled ? <Time value={one.next_at} /> : t("common.never")) },
    {
      head: t("common.actions"),
      cell: (one) =>
        may(one) && (
          <Group gap={4} wrap="nowrap">
            <Button
              size="compact-xs"
              variant="default"
              leftSection={<Play size={12} aria-hidden />}
              onClick={() => run.mutate(one.name)}
              aria-label={t("jobs.run-now-name", { name: one.name })}
            >
              {t("jobs.run-now")}
            </Button>
            {!BUILT_IN.has(one.name) && (
              <Tooltip label={t("common.delete")}>
                <ActionIcon variant="subtle" color="gray" onClick={() => void drop(one.name)} aria-label={t("jobs.delete-name", { name: one.name })}>
                  <Trash2 size={15} aria-hidden />
                </ActionIcon>
              </Tooltip>
            )}
          </Group>
        ),
    },
  ];
  return (
    <Paper withBorder radius="md" p="md">
      <Text size="sm" c="dimmed" mb="xs">
        {t("jobs.schedules-lead")}
      </Text>
      <DataTable name={t("jobs.schedules")} columns={columns} rows={schedules} rowKey={(one) => one.name} leastWidth={720} />
    </Paper>
  );
}

function choices(now: number, speech: Speech) {
  return [...new Set([...INTERVALS, now])].sort((one, other) => one - other).map((seconds) => ({ value: String(seconds), label: every(seconds, speech) }));
}
