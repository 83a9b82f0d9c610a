/** Follow the database, or read it when asked; where following needs a server that is not there, what to run. */
import { Alert, Radio, Stack, Text } from "@mantine/core";
import { Info } from "lucide-react";
import type { Mode, TestResult } from "@/api/connect";
import { CodeText } from "@/components/CodeText";
import { useSpeech } from "@/i18n";

const START = 'kb stack up\neval "$(kb stack env)"\nkb serve --worker';

interface Props {
  result: TestResult;
  mode: Mode;
  choose: (mode: Mode) => void;
}

export function ModeChoice({ result, mode, choose }: Props) {
  const { t } = useSpeech();
  return (
    <Stack gap="sm">
      <Radio.Group label={t("connect.mode")} value={mode} onChange={(value) => choose(value as Mode)}>
        <Stack gap="xs" mt="xs">
          <Radio value="live" label={t("connect.live")} description={t("connect.live-hint")} disabled={!result.live || !result.ok} />
          <Radio value="snapshot" label={t("connect.snapshot")} description={t("connect.snapshot-hint")} />
        </Stack>
      </Radio.Group>
      {!result.live && (
        <Alert color="blue" icon={<Info size={18} aria-hidden />} title={t("connect.no-kafka")}>
          <Stack gap="xs">
            <Text size="sm">{t("connect.no-kafka-text")}</Text>
            <CodeText value={START} label={t("connect.commands")} />
          </Stack>
        </Alert>
      )}
      {result.live && !result.ok && (
        <Text size="sm" c="dimmed">
          {t("connect.mend-first")}
        </Text>
      )}
    </Stack>
  );
}
