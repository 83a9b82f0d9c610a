/** The jobs, newest first, by state and kind; each opens with its progress, arguments, result or error. */
import { Anchor, Group, Paper, Select, Stack } from "@mantine/core";
import { useState } from "react";
import { useSearchParams } from "react-router";
import { fetchJobs, type Job, JOB_STATES, type JobFilter, type JobState } from "@/api/jobs";
import { useModules } from "@/api/models";
import { State } from "@/components/Badges";
import { type Column, DataTable } from "@/components/DataTable";
import { Empty } from "@/components/Empty";
import { Loaded } from "@/components/Loaded";
import { Pager } from "@/components/Pager";
import { Time } from "@/components/Time";
import { PAGE_SIZE, usePages } from "@/hooks/pages";
import { useSpeech } from "@/i18n";
import { JobActs } from "./JobActs";
import { JobDrawer } from "./JobDrawer";
import { JobProgress } from "./JobProgress";

export function JobList() {
  const { t, textOr } = useSpeech();
  const [place] = useSearchParams();
  const wanted = JOB_STATES.find((one) => one === place.get("state")) ?? null;
  const [filter, setFilter] = useState<JobFilter>({ state: wanted, kind: null, collection: null });
  const [opened, setOpened] = useState<string | null>(null);
  const list = usePages(["jobs", "list", filter], (cursor) => fetchJobs(filter, PAGE_SIZE, cursor));
  const kinds = (useModules().data ?? []).filter((one) => one.kind === "task").map((one) => one.name);
  return (
    <Stack gap="sm">
      <Group gap="sm">
        <Select
          size="sm"
          aria-label={t("common.state")}
          placeholder={t("jobs.any-state")}
          data={JOB_STATES.map((value) => ({ value, label: t(`state.${value}`) }))}
          value={filter.state}
          onChange={(state) => setFilter({ ...filter, state: state as JobState | null })}
          clearable
          clearButtonProps={{ "aria-label": t("jobs.any-state") }}
        />
        <Select
          size="sm"
          aria-label={t("common.kind")}
          placeholder={t("jobs.any-kind")}
          data={kinds.map((value) => ({ value, label: textOr(`job.${value}`, value) }))}
          value={filter.kind}
          onChange={(kind) => setFilter({ ...filter, kind })}
          clearable
          clearButtonProps={{ "aria-label": t("jobs.any-kind") }}
        />
      </Group>
      <Loaded query={list.query}>
        {(page) =>
          page.jobs.length === 0 ? <Empty title={t("jobs.none")}>{t("jobs.none-text")}</Empty> : <Table jobs={page.jobs} open={setOpened} />
        }
      </Loaded>
      <Pager number={list.number} next={list.next} previous={list.previous} />
      <JobDrawer id={opened} close={() => setOpened(null)} />
    </Stack>
  );
}

function Table({ jobs, open }: { jobs: readonly Job[]; open: (id: string) => void }) {
  const { t, textOr } = useSpeech();
  const columns: Column<Job>[] = [
    {
      head: t("jobs.work"),
      cell: (job) => (
        <Anchor component="button" type="button" size="sm" fw={600} onClick={() => open(job.id)}>
          {textOr(`job.${job.kind}`, job.kind)}
        </Anchor>
      ),
    },
    { head: t("common.collection"), cell: (job) => job.collection || t("common.all") },
    { head: t("common.state"), cell: (job) => <State value={job.state} /> },
    { head: t("jobs.progress"), cell: (job) => <JobProgress job={job} />, width: 170, long: true },
    { head: t("common.created"), cell: (job) => <Time value={job.created_at} /> },
    { head: t("jobs.asked-by"), cell: (job) => (job.schedule ? t("jobs.by-schedule", { name: job.schedule }) : t("jobs.by-person")) },
    { head: t("common.actions"), cell: (job) => <JobActs job={job} /> },
  ];
  return (
    <Paper withBorder radius="md" p="md">
      <DataTable name={t("jobs.jobs")} columns={columns} rows={jobs} rowKey={(job) => job.id} leastWidth={700} />
    </Paper>
  );
}
