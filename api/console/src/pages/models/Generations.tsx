/** Generations: what the index is made by, now and before; another is built beside it, compared, and takes over. */
import { Button, Group, Paper, Progress, Stack, Text, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Layers, Undo2 } from "lucide-react";
import { useState } from "react";
import { fetchJobs, isOpen, type Job } from "@/api/jobs";
import { type Generation, useGenerationActs, useGenerations } from "@/api/models";
import { useAllows } from "@/api/session";
import { State } from "@/components/Badges";
import { useConfirm } from "@/components/confirm";
import { type Column, DataTable } from "@/components/DataTable";
import { whyFailed } from "@/components/Failure";
import { Loaded } from "@/components/Loaded";
import { Time } from "@/components/Time";
import { useSpeech } from "@/i18n";
import { JobActs } from "@/pages/jobs/JobActs";
import { BuildForm } from "./BuildForm";
import { Evidence, hasEvidence, isWorse } from "./Evidence";

const RECENT = 5; // reindexing jobs looked at

export function Generations({ collection }: { collection: string }) {
  const { t } = useSpeech();
  const generations = useGenerations(collection);
  const allows = useAllows();
  const confirm = useConfirm();
  const { back } = useGenerationActs(collection);
  const [opened, form] = useDisclosure(false);
  const undo = async () => {
    if (await confirm({ title: t("models.back-title"), body: t("models.back-text"), action: t("tune.roll-back") })) back.mutate();
  };
  return (
    <Stack gap="md">
      <Group justify="space-between" align="flex-start">
        <Text size="sm" c="dimmed" maw={640}>
          {t("models.generations-lead")}
        </Text>
        {allows("admin") && (
          <Group gap="xs">
            {generations.data?.some((one) => one.state === "standby") && (
              <Button variant="default" leftSection={<Undo2 size={15} aria-hidden />} onClick={() => void undo()} loading={back.isPending}>
                {t("tune.roll-back")}
              </Button>
            )}
            <Button leftSection={<Layers size={15} aria-hidden />} onClick={form.open}>
              {t("models.build")}
            </Button>
          </Group>
        )}
      </Group>
      <Building collection={collection} />
      <Loaded query={generations}>{(found) => <Table collection={collection} generations={found} />}</Loaded>
      <BuildForm collection={collection} opened={opened} close={form.close} serving={generations.data?.find((one) => one.state === "serving")} />
    </Stack>
  );
}

/** The reindexing job under way, or the newest one where it failed. */
function Building({ collection }: { collection: string }) {
  const speech = useSpeech();
  const { t, language } = speech;
  const jobs = useQuery({
    queryKey: ["jobs", "reindex", collection],
    queryFn: () => fetchJobs({ state: null, kind: "reindex", collection }, RECENT),
  });
  const newest = jobs.data?.jobs[0];
  if (!newest || (!isOpen(newest) && newest.state !== "failed")) return null;
  const done = newest.done.toLocaleString(language);
  return (
    <Paper withBorder radius="md" p="md">
      <Group justify="space-between" mb={6}>
        <Group gap="xs">
          <Title order={2} size="h5">
            {t("job.reindex")}
          </Title>
          <State value={newest.state} />
        </Group>
        <JobActs job={newest} />
      </Group>
      {isOpen(newest) ? <BuildProgress job={newest} done={done} /> : <Text size="sm" c="red">{whyFailed(newest, speech)}</Text>}
    </Paper>
  );
}

function BuildProgress({ job, done }: { job: Job; done: string }) {
  const { t } = useSpeech();
  return (
    <Stack gap={4}>
      <Progress value={job.total ? (100 * job.done) / job.total : 100} striped={!job.total} animated aria-label={t("jobs.progress-of", { name: t("job.reindex") })} />
      <Text size="xs" c="dimmed" role="status">
        {job.total ? t("jobs.done-of", { done, total: job.total }) : t("jobs.done", { done })}
      </Text>
    </Stack>
  );
}

function Table({ collection, generations }: { collection: string; generations: readonly Generation[] }) {
  const { t, language } = useSpeech();
  const [shown, setShown] = useState<number | null>(null);
  const looked = generations.find((one) => one.id === shown);
  const columns: Column<Generation>[] = [
    { head: t("models.generation"), cell: (one) => `#${one.id}` },
    { head: t("common.state"), cell: (one) => <State value={one.state} /> },
    { head: t("models.encoder"), cell: (one) => one.encoder },
    { head: t("models.passages"), numeric: true, cell: (one) => t("models.tokens", { count: one.chunk_tokens }) },
    { head: t("models.words"), numeric: true, cell: (one) => (one.dictionary.length + one.synonyms.length).toLocaleString(language) },
    { head: t("common.created"), cell: (one) => <Time value={one.created_at} /> },
    {
      head: t("common.actions"),
      cell: (one) => (
        <Group gap={4} wrap="nowrap">
          {hasEvidence(one) && (
            <Button size="compact-xs" variant="default" onClick={() => setShown(shown === one.id ? null : one.id)} aria-expanded={shown === one.id}>
              {t("models.evidence")}
            </Button>
          )}
          <Acts collection={collection} one={one} />
        </Group>
      ),
    },
  ];
  return (
    <Paper withBorder radius="md" p="md">
      <DataTable name={t("models.generations")} columns={columns} rows={generations} rowKey={(one) => one.id} leastWidth={700} />
      {looked && <Evidence of={looked} />}
    </Paper>
  );
}

function Acts({ collection, one }: { collection: string; one: Generation }) {
  const { t } = useSpeech();
  const allows = useAllows();
  const confirm = useConfirm();
  const { activate, retire } = useGenerationActs(collection);
  if (!allows("admin")) return null;
  const worse = isWorse(one);
  const serve = async () => {
    const body = t(worse ? "models.activate-worse" : "models.activate-text");
    const question = { title: t("models.activate-title", { id: one.id }), body, action: t("tune.promote"), danger: worse };
    if (await confirm(question)) activate.mutate({ id: one.id, force: worse });
  };
  const drop = async () => {
    const question = { title: t("models.retire-title", { id: one.id }), body: t("models.retire-text"), action: t("models.retire"), danger: true };
    if (await confirm(question)) retire.mutate(one.id);
  };
  return (
    <>
      {(one.state === "ready" || one.state === "standby") && (
        <Button size="compact-xs" variant="default" onClick={() => void serve()}>
          {t("tune.promote")}
        </Button>
      )}
      {one.state !== "serving" && one.state !== "retired" && (
        <Button size="compact-xs" variant="default" onClick={() => void drop()}>
          {t("models.retire")}
        </Button>
      )}
    </>
  );
}
