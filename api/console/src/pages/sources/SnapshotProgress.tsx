/** How far the first reading of a live source is, or the one that was asked for last. */
import { Group, Loader, Paper, Progress, Stack, Text, Title } from "@mantine/core";
import { CircleCheck } from "lucide-react";
import { snapshotOf, type SourceStatus } from "@/api/sources";
import { useSpeech } from "@/i18n";

interface Props {
  collection: string;
  status: SourceStatus;
  /** Shown also when it is over. */
  always?: boolean;
}

export function SnapshotProgress({ status, always }: Props) {
  const { t, textOr, language } = useSpeech();
  const snapshot = snapshotOf(status);
  const events = Number(status.lag["events"] ?? 0);
  const reading = snapshot.state === "running";
  const settling = events > 0 && status.state === "active";
  if (!always && !reading) return null;
  const rows = snapshot.tables.reduce((sum, one) => sum + (one.rows ?? 0), 0);
  const done = !reading && snapshot.state !== "none" && !settling;
  const share = rows === 0 ? 0 : Math.max(0, Math.min(100, ((rows - events) / rows) * 100));
  return (
    <Paper withBorder radius="md" p="md">
      <Stack gap="xs">
        <Group gap="xs">
          {done ? <CircleCheck size={20} color="var(--mantine-color-green-text)" aria-hidden /> : <Loader size="xs" aria-hidden />}
          <Title order={2} size="h4">
            {t(done ? "sources.snapshot-done" : reading ? "sources.snapshot-reading" : "sources.snapshot-settling")}
          </Title>
        </Group>
        <Progress value={done ? 100 : share} animated={!done} aria-label={t("sources.snapshot")} />
        <Text size="sm" role="status">
          {t("sources.snapshot-counts", { rows, events, documents: status.documents })}
        </Text>
        {snapshot.tables.map((one) => (
          <Text size="sm" c="dimmed" key={one.name}>
            {one.name}: {textOr(`sources.table.${one.state}`, one.state)}
            {one.rows !== null && `, ${t("sources.rows", { count: one.rows })}`}
          </Text>
        ))}
        {snapshot.tables.length === 0 && !done && (
          <Text size="sm" c="dimmed">
            {t("sources.snapshot-begins", { at: new Date().toLocaleTimeString(language) })}
          </Text>
        )}
        {!done && events > 0 && (
          <Text size="sm" c="dimmed">
            {t("sources.worker-hint")}
          </Text>
        )}
      </Stack>
    </Paper>
  );
}
