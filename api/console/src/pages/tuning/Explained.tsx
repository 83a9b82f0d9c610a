/** Nothing was tuned yet: what an experiment does, in three steps, and the button that starts one. */
import { List, Paper, Stack, Text, Title } from "@mantine/core";
import type { ReactNode } from "react";
import { useSpeech } from "@/i18n";

const STEPS = ["tune.step-try", "tune.step-prove", "tune.step-serve"] as const;

export function Explained({ action }: { action: ReactNode }) {
  const { t } = useSpeech();
  return (
    <Paper withBorder radius="md" p="xl">
      <Stack gap="md" maw={680}>
        <Title order={2} size="h4">
          {t("tune.empty")}
        </Title>
        <Text size="sm">{t("tune.empty-text")}</Text>
        <List type="ordered" size="sm" spacing="xs">
          {STEPS.map((step) => (
            <List.Item key={step}>{t(step)}</List.Item>
          ))}
        </List>
        <Text size="sm" c="dimmed">
          {t("tune.empty-safe")}
        </Text>
        <div>{action || <Text size="sm">{t("tune.needs-admin")}</Text>}</div>
      </Stack>
    </Paper>
  );
}
