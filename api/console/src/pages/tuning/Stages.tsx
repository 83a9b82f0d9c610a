/** What each part of the search did: how much was tried, what it gained on sealed questions, and whether it was kept. */
import { Badge, Paper, Text, Title } from "@mantine/core";
import type { StageResult } from "@/api/tuning";
import { type Column, DataTable } from "@/components/DataTable";
import { measure, signed } from "@/components/Verdict";
import { useSpeech } from "@/i18n";
import { told } from "./sentences";

export function Stages({ stages }: { stages: readonly StageResult[] }) {
  const speech = useSpeech();
  const { t, textOr, language } = speech;
  const columns: Column<StageResult>[] = [
    { head: t("tune.stage"), cell: (one) => textOr(`tier.${one.tier}`, one.tier) },
    { head: t("tune.trials"), numeric: true, cell: (one) => one.trials.toLocaleString(language) },
    { head: t("tune.seconds"), numeric: true, cell: (one) => `${one.seconds.toLocaleString(language, { maximumFractionDigits: 1 })} s` },
    { head: t("tune.sealed-mean"), numeric: true, cell: (one) => (one.sealed === undefined ? "–" : measure(one.sealed, language)) },
    {
      head: t("tune.by-meaning"),
      numeric: true,
      cell: (one) => (one.legs && one.legs_before ? `${measure(one.legs_before.dense, language)} → ${measure(one.legs.dense, language)}` : "–"),
    },
    {
      head: t("tune.over-default"),
      numeric: true,
      cell: (one) => (one.over_default ? signed(one.over_default[0], language, 4) : "–"),
    },
    {
      head: t("tune.outcome"),
      cell: (one) => (
        <>
          <Badge variant="light" color={one.kept ? "green" : "gray"} tt="none">
            {t(one.kept ? "tune.stage-kept" : "tune.stage-dropped")}
          </Badge>
          {one.reason && (
            <Text size="xs" c="dimmed">
              {told(one.reason, speech)}
            </Text>
          )}
        </>
      ),
    },
  ];
  return (
    <Paper withBorder radius="md" p="md">
      <Title order={2} size="h4">
        {t("tune.stages")}
      </Title>
      <Text size="sm" c="dimmed" mb="xs">
        {t("tune.stages-hint")}
      </Text>
      <DataTable name={t("tune.stages")} columns={columns} rows={stages} rowKey={(one) => one.tier} leastWidth={620} />
    </Paper>
  );
}
