/** How rows become documents, as it is stored. */
import { Stack, Text, Title } from "@mantine/core";
import { CodeText, pretty } from "@/components/CodeText";
import { useSpeech } from "@/i18n";

export function MappingShown({ tables }: { tables: Record<string, unknown> }) {
  const { t } = useSpeech();
  return (
    <Stack gap="xs">
      <Title order={2} size="h4">
        {t("sources.mapping")}
      </Title>
      <Text size="sm" c="dimmed">
        {t("sources.mapping-hint")}
      </Text>
      <CodeText value={pretty(tables)} label={t("sources.mapping")} />
    </Stack>
  );
}
