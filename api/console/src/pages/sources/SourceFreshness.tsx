/** How long this source's changes took until searches saw them. */
import { Stack } from "@mantine/core";
import { useOverview } from "@/api/overview";
import { Columns } from "@/components/Columns";
import { SectionHead } from "@/components/SectionHead";
import { useSpeech } from "@/i18n";
import { FreshnessChart } from "../overview/Freshness";

export function SourceFreshness({ collection, source }: { collection: string; source: string }) {
  const { t } = useSpeech();
  const found = (useOverview().data?.freshness ?? []).filter((one) => one.collection === collection && one.source === source);
  return (
    <Stack gap="sm">
      <SectionHead title={t("overview.freshness")} hint={t(found.length === 0 ? "sources.fresh-none" : "overview.freshness-hint")} />
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
