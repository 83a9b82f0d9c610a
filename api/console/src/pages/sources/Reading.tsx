/** The last reading of a source that is read when asked: a job, its progress, what it brought or why it failed. */
import { Alert, Group, Loader, Paper, Stack, Text, Title } from "@mantine/core";
import { CircleAlert, CircleCheck } from "lucide-react";
import { isOpen } from "@/api/jobs";
import { useReadingJob } from "@/api/sources";
import { whyFailed } from "@/components/Failure";
import { Time } from "@/components/Time";
import { useSpeech } from "@/i18n";

export function Reading({ collection, source }: { collection: string; source: string }) {
  const speech = useSpeech();
  const { t, textOr } = speech;
  const job = useReadingJob(collection, source, true).data;
  if (!job) return null; // the run log below tells what other ways of reading did
  if (job.state === "failed" || job.state === "cancelled") {
    return (
      <Alert color="red" icon={<CircleAlert size={18} aria-hidden />} title={t("sources.reading-failed")}>
        <Text size="sm">{whyFailed(job, speech) || textOr(`state.${job.state}`, job.state)}</Text>
      </Alert>
    );
  }
  const open = isOpen(job);
  const told = (job.result ?? {}) as Record<string, number>;
  const count = (name: string) => told[name] ?? 0;
  return (
    <Paper withBorder radius="md" p="md">
      <Stack gap={4}>
        <Group gap="xs">
          {open ? <Loader size="xs" aria-hidden /> : <CircleCheck size={20} color="var(--mantine-color-green-text)" aria-hidden />}
          <Title order={2} size="h4">
            {t(job.state === "queued" ? "sources.reading-waits" : open ? "sources.reading-now" : "sources.reading-done")}
          </Title>
        </Group>
        <Text size="sm" role="status">
          {open
            ? t("sources.reading-count", { count: job.done })
            : t("sources.reading-result", {
                created: count("created"),
                updated: count("updated") + count("metadata"),
                deleted: count("deleted"),
                unchanged: count("unchanged"),
              })}
        </Text>
        {!open && (
          <Text size="sm" c="dimmed">
            <Time value={job.finished_at} />
          </Text>
        )}
      </Stack>
    </Paper>
  );
}
