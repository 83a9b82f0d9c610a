/** Changed tables: what a person should know and what stopped nothing. */
import { Alert, Stack, Text, Title } from "@mantine/core";
import { Columns3 } from "lucide-react";
import type { Model } from "@/api/client";
import { Time } from "@/components/Time";
import { useSpeech } from "@/i18n";

export function Notices({ notices }: { notices: readonly Model<"NoticeView">[] }) {
  const { t, textOr } = useSpeech();
  if (notices.length === 0) return null;
  return (
    <Stack gap="xs">
      <Title order={2} size="h4">
        {t("sources.notices")}
      </Title>
      <Text size="sm" c="dimmed">
        {t("sources.notices-hint")}
      </Text>
      {notices.slice(0, 10).map((one) => (
        <Alert
          key={one.id}
          color="yellow"
          py="xs"
          icon={<Columns3 size={18} aria-hidden />}
          title={`${textOr(`sources.notice.${one.kind}`, one.kind)}: ${one.table}`}
        >
          <Text size="sm">{one.message}</Text>
          <Text size="xs" c="dimmed">
            <Time value={one.at} />
          </Text>
        </Alert>
      ))}
    </Stack>
  );
}
