/** How long changes took until searches saw them, as a histogram for each source. */
import { Stack } from "@mantine/core";
import type { Model } from "@/api/client";
import { BarsChart, ChartCard } from "@/components/charts";
import { Columns } from "@/components/Columns";
import { SectionHead } from "@/components/SectionHead";
import { useSpeech } from "@/i18n";

type View = Model<"FreshnessView">;

export function Freshness({ freshness }: { freshness: readonly View[] }) {
  const { t } = useSpeech();
  if (freshness.length === 0) return null;
  return (
    <Stack gap="sm">
      <SectionHead title={t("overview.freshness")} hint={t("overview.freshness-hint")} />
      <Columns>
        {freshness.map((one) => (
          <FreshnessChart
            key={`${one.collection} ${one.source} ${one.since}`}
            of={one}
            name={one.source ? t("overview.freshness-of", { collection: one.collection, source: one.source }) : one.collection}
          />
        ))}
      </Columns>
    </Stack>
  );
}

interface ChartProps {
  of: View;
  name: string;
  colour?: string | undefined;
}

/** One source's histogram. */
export function FreshnessChart({ of, name, colour }: ChartProps) {
  const { t } = useSpeech();
  const bars = of.buckets.map((bucket) => ({
    label: bucket.seconds == null ? t("overview.beyond") : t("overview.within", { seconds: bucket.seconds }),
    value: bucket.count,
  }));
  const hint = t("overview.freshness-mean", { count: of.count, seconds: Math.round(of.mean_seconds * 1000) / 1000 });
  return (
    <ChartCard title={name} hint={hint}>
      <BarsChart name={name} bars={bars} colour={colour} />
    </ChartCard>
  );
}
