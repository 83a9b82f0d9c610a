/** One experiment: live trials, the verdict with its evidence, the chosen architecture, and what one can do about it. */
import { Alert, Anchor, Button, Group, Progress, Stack, Text } from "@mantine/core";
import { Play, Square } from "lucide-react";
import { Link, useParams } from "react-router";
import { useCollection } from "@/api/collections";
import { isOpen, useCancelJob } from "@/api/jobs";
import { useAllows } from "@/api/session";
import {
  type ExperimentDetail,
  type Result,
  useExperiment,
  useExperimentJob,
  useResumeExperiment,
  useTrials,
} from "@/api/tuning";
import { State } from "@/components/Badges";
import { useConfirm } from "@/components/confirm";
import { whyFailed } from "@/components/Failure";
import { Loaded } from "@/components/Loaded";
import { Page } from "@/components/Page";
import { Time } from "@/components/Time";
import { useSpeech } from "@/i18n";
import { Architecture } from "./Architecture";
import { Leaderboard } from "./Leaderboard";
import { Stages } from "./Stages";
import { Trials } from "./Trials";
import { VerdictCard } from "./VerdictCard";

export default function ExperimentPage() {
  const { t } = useSpeech();
  const collection = useCollection();
  const { experiment: id = "" } = useParams();
  const experiment = useExperiment(collection, id);
  return (
    <Page
      title={t("tune.experiment-title", { id: id.slice(0, 8) })}
      lead={
        <Anchor component={Link} to={`/c/${collection}/tuning`} underline="always">
          {t("tune.all")}
        </Anchor>
      }
      actions={experiment.data && <Actions collection={collection} experiment={experiment.data} />}
    >
      <Loaded query={experiment}>{(found) => <Everything collection={collection} experiment={found} />}</Loaded>
    </Page>
  );
}

function Everything({ collection, experiment }: { collection: string; experiment: ExperimentDetail }) {
  const result = (experiment.result ?? null) as Result | null;
  const trials = useTrials(collection, experiment.id, experiment.state === "running");
  return (
    <Stack gap="lg">
      <Standing collection={collection} experiment={experiment} error={result?.error} />
      {result && !result.error && <VerdictCard collection={collection} experiment={experiment} result={result} />}
      <Loaded query={trials}>{(found) => <Trials trials={found} result={result} runs={experiment.state === "running"} />}</Loaded>
      {result?.stages && result.stages.length > 1 && <Stages stages={result.stages} />}
      {experiment.graph && <Architecture graph={experiment.graph} />}
      {result?.leaderboard && <Leaderboard rows={result.leaderboard} />}
    </Stack>
  );
}

function Standing({ collection, experiment, error }: { collection: string; experiment: ExperimentDetail; error?: string | undefined }) {
  const speech = useSpeech();
  const { t } = speech;
  const job = useExperimentJob(collection, experiment.id).data;
  const request = experiment.request as Record<string, unknown>;
  const told = job?.state === "failed" ? job : { error: "", error_code: "" };
  const why = whyFailed(error ? { ...told, error } : told, speech);
  return (
    <Stack gap="xs">
      <Group gap="md">
        <State value={experiment.state} />
        <Text size="sm">
          {t("tune.began")} <Time value={experiment.created_at} />
        </Text>
        <Text size="sm" c="dimmed">
          {t("tune.asked", {
            budget: String(request["budget"]),
            policy: String(request["policy"]),
            questions: String(request["eval_set"] || t("tune.by-itself")),
          })}
        </Text>
      </Group>
      {experiment.state === "running" && (
        <Stack gap={4}>
          <Progress
            value={job?.total ? (100 * job.done) / job.total : 100}
            animated
            aria-label={t("tune.progress")}
            striped={!job?.total}
          />
          <Text size="xs" c="dimmed" role="status">
            {t("tune.so-far", { count: experiment.trials })}
          </Text>
        </Stack>
      )}
      {why && <Alert color="red" title={t("tune.failed")}>{why}</Alert>}
      {experiment.state === "stopped" && <Alert color="blue">{t("tune.stopped-text", { trials: experiment.trials })}</Alert>}
    </Stack>
  );
}

function Actions({ collection, experiment }: { collection: string; experiment: ExperimentDetail }) {
  const { t } = useSpeech();
  const allows = useAllows();
  const confirm = useConfirm();
  const job = useExperimentJob(collection, experiment.id).data;
  const cancel = useCancelJob();
  const resume = useResumeExperiment(collection);
  if (!allows("admin")) return null;
  const stop = async () => {
    if (job && (await confirm({ title: t("tune.stop-title"), body: t("tune.stop-text"), action: t("tune.stop") }))) cancel.mutate(job);
  };
  const isGoing = job != null && isOpen(job);
  return (
    <>
      {isGoing && (
        <Button variant="default" leftSection={<Square size={14} aria-hidden />} onClick={() => void stop()} loading={cancel.isPending}>
          {t("tune.stop")}
        </Button>
      )}
      {!isGoing && (experiment.state === "stopped" || experiment.state === "failed") && (
        <Button leftSection={<Play size={14} aria-hidden />} onClick={() => resume.mutate(experiment.id)} loading={resume.isPending}>
          {t("tune.resume")}
        </Button>
      )}
    </>
  );
}
