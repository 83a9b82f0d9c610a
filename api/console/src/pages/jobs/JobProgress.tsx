/** How far a job is: a bar where it knows, numbers where it counts, the beginning of the error where it failed. */
import { Progress, Stack, Text } from "@mantine/core";
import { isOpen, type Job } from "@/api/jobs";
import { whyFailed } from "@/components/Failure";
import { useSpeech } from "@/i18n";

export function JobProgress({ job }: { job: Job }) {
  const speech = useSpeech();
  const { t, textOr, language } = speech;
  if (job.state === "failed") {
    return (
      <Text size="xs" c="red" lineClamp={2}>
        {whyFailed(job, speech)}
      </Text>
    );
  }
  const done = job.done.toLocaleString(language);
  const name = t("jobs.progress-of", { name: textOr(`job.${job.kind}`, job.kind) });
  if (!isOpen(job)) return <Text size="xs" c="dimmed">{job.done > 0 ? t("jobs.done", { done }) : ""}</Text>;
  return (
    <Stack gap={2}>
      <Progress
        value={job.total ? (100 * job.done) / job.total : job.state === "running" ? 100 : 0}
        animated={job.state === "running"}
        striped={!job.total}
        aria-label={name}
      />
      <Text size="xs" c="dimmed">
        {job.total ? t("jobs.done-of", { done, total: job.total }) : t("jobs.done", { done })}
      </Text>
    </Stack>
  );
}
