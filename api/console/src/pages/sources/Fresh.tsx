/** How long this source's changes took until searches saw them. */
import { Stack, Text, Title } from "@mantine/core";
import { useOverview } from "@/api/overview";
import { BarsChart, ChartCard } from "@/components/charts";
import { Columns } from "@/components/Columns";
import { useSpeech } from "@/i18n";

export function Fresh({ collection, source }: { collection: string; source: string }) {
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
          {found.map((one) => {
            const name = t(one.since === "source" ? "sources.since-source" : "sources.since-catalog");
            const bars = one.buckets.map((bucket) => ({
              label: bucket.seconds == null ? t("overview.beyond") : t("overview.within", { seconds: bucket.seconds }),
              value: bucket.count,
            }));
            const mean = t("overview.freshness-mean", { count: one.count, seconds: Math.round(one.mean_seconds * 1000) / 1000 });
            return (
              <ChartCard key={one.since} title={name} hint={mean}>
                <BarsChart name={name} bars={bars} colour={one.since === "source" ? "var(--kb-graph)" : undefined} />
              </ChartCard>
            );
          })}
        </Columns>
      )}
    </Stack>
  );
}
