/** Cancel a job that has not ended, retry one that failed or was cancelled; as far as the session may. */
import { Button, Group } from "@mantine/core";
import { isOpen, type Job, useCancelJob, useRetryJob } from "@/api/jobs";
import { useAllows } from "@/api/session";
import { useConfirm } from "@/components/confirm";
import { useSpeech } from "@/i18n";

const BY_WRITERS = new Set(["evaluate", "upload"]); // what a writer may ask for; the rest needs admin

export function JobActs({ job }: { job: Job }) {
  const { t, textOr } = useSpeech();
  const allows = useAllows();
  const confirm = useConfirm();
  const cancel = useCancelJob();
  const retry = useRetryJob();
  const may = job.collection === "" ? allows("operator") : allows(BY_WRITERS.has(job.kind) ? "write" : "admin");
  if (!may) return null;
  const kind = textOr(`job.${job.kind}`, job.kind);
  const stop = async () => {
    const question = { title: t("jobs.cancel-title", { kind }), body: t("jobs.cancel-text"), action: t("jobs.cancel"), danger: true };
    if (await confirm(question)) cancel.mutate(job);
  };
  return (
    <Group gap={4}>
      {isOpen(job) && (
        <Button size="compact-xs" variant="default" onClick={() => void stop()} loading={cancel.isPending}>
          {t("jobs.cancel")}
        </Button>
      )}
      {(job.state === "failed" || job.state === "cancelled") && (
        <Button size="compact-xs" variant="default" onClick={() => retry.mutate(job)} loading={retry.isPending}>
          {t("common.retry")}
        </Button>
      )}
    </Group>
  );
}
