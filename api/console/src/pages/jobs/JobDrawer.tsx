/** One job as a whole, renewed while it is open. */
import { Alert, Anchor, Group, Stack, Text, Title } from "@mantine/core";
import { Link } from "react-router";
import { isOpen, type Job, useJob } from "@/api/jobs";
import { State } from "@/components/Badges";
import { CodeText, pretty } from "@/components/CodeText";
import { whyFailed } from "@/components/Failure";
import { Loaded } from "@/components/Loaded";
import { Drawer } from "@/components/overlays";
import { Time } from "@/components/Time";
import { useSpeech } from "@/i18n";
import { JobActs } from "./JobActs";
import { JobProgress } from "./JobProgress";

export function JobDrawer({ id, close }: { id: string | null; close: () => void }) {
  const { t, textOr } = useSpeech();
  const job = useJob(id);
  const title = job.data ? textOr(`job.${job.data.kind}`, job.data.kind) : t("jobs.job");
  return (
    <Drawer opened={id !== null} onClose={close} closeOnClickOutside title={title}>
      {id !== null && <Loaded query={job}>{(found) => <Whole job={found} />}</Loaded>}
    </Drawer>
  );
}

function Whole({ job }: { job: Job }) {
  const speech = useSpeech();
  const { t } = speech;
  const place = placeOf(job);
  return (
    <Stack>
      <Group justify="space-between">
        <State value={job.state} />
        <JobActs job={job} />
      </Group>
      {isOpen(job) && <JobProgress job={job} />}
      {job.error && (
        <Alert color="red" title={t("jobs.error")}>
          {whyFailed(job, speech)}
        </Alert>
      )}
      <Text size="sm">
        {t("common.created")}: <Time value={job.created_at} />
        {job.finished_at && (
          <>
            {" · "}
            {t("jobs.ended")}: <Time value={job.finished_at} />
          </>
        )}
        {" · "}
        {t("jobs.attempts", { count: job.attempts })}
      </Text>
      {place && (
        <Anchor component={Link} to={place} size="sm">
          {t("jobs.see-outcome")}
        </Anchor>
      )}
      {job.result && (
        <div>
          <Title order={3} size="h5" mb={4}>
            {t("jobs.result")}
          </Title>
          <CodeText value={pretty(job.result)} label={t("jobs.result")} />
        </div>
      )}
      <div>
        <Title order={3} size="h5" mb={4}>
          {t("jobs.arguments")}
        </Title>
        <CodeText value={pretty(job.arguments)} label={t("jobs.arguments")} height={200} />
      </div>
      <Text size="xs" c="dimmed">
        {t("jobs.id", { id: job.id })}
      </Text>
    </Stack>
  );
}

/** The page where a job's outcome is seen. */
function placeOf(job: Job): string | null {
  const at = `/c/${job.collection}`;
  if (job.kind === "tune") return `${at}/tuning/${String(job.arguments["experiment"])}`;
  if (job.kind === "evaluate") return `${at}/evaluation/${encodeURIComponent(String(job.arguments["eval_set"]))}`;
  if (job.kind === "reindex") return `${at}/models`;
  return null;
}
