/** How long this source's changes took until searches saw them. */
import { Stack, Text, Title } from "@mantine/core";
import { useOverview } from "@/api/overview";
import { Columns } from "@/components/Columns";
import { useSpeech } from "@/i18n";
import { FreshnessChart } from "../overview/Freshness";

export function SourceFreshness({ collection, source }: { collection: string; source: string }) {
  const { t } = useSpeech();
  const found = (useOverview().data?.freshness ?? []).filter((one) => one.collection === collection && one.source === source);
  return (
    <Stack gap="sm">
      <div>
        <Title order={2} size="h4">
          {t("overview.freshness")}
        </Title>
        <Text size="sm" c="dimmed">
          {t(found.length === 0 ? "sources.fresh-none" : "overview.freshness-hint")}
        </Text>
      </div>
      {found.length > 0 && (
        <Columns>
          {found.map((one) => (
            <FreshnessChart
              key={one.since}
              of={one}
              name={t(one.since === "source" ? "sources.since-source" : "sources.since-catalog")}
              colour={one.since === "source" ? "var(--kb-graph)" : undefined}
            />
          ))}
        </Columns>
      )}
    </Stack>
  );
}
