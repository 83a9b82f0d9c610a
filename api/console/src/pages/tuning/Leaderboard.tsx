/** The best candidates by what they reached on the working questions, with the choices in which they differ. */
import { Badge, Group, Paper, Text, Title } from "@mantine/core";
import type { Leader } from "@/api/tuning";
import { type Column, DataTable } from "@/components/DataTable";
import { measure } from "@/components/Verdict";
import { useSpeech } from "@/i18n";
import { said, useChoiceName } from "./words";

export function Leaderboard({ rows }: { rows: readonly Leader[] }) {
  const { t, language } = useSpeech();
  const nameOf = useChoiceName();
  const speech = useSpeech();
  const differing = differences(rows);
  const columns: Column<Leader>[] = [
    { head: t("tune.place"), numeric: true, cell: (one) => rows.indexOf(one) + 1, width: 60 },
    { head: t("tune.mean"), numeric: true, cell: (one) => measure(one.mean, language), width: 90 },
    {
      head: t("tune.choices"),
      cell: (one) => (
        <Group gap={6}>
          {one.chosen && <Badge tt="none">{t("tune.chosen")}</Badge>}
          {one.default && <Badge tt="none" variant="light" color="gray">{t("models.default-plan")}</Badge>}
          {differing
            .filter((name) => name in one.architecture.choices)
            .map((name) => (
              <Text key={name} size="xs" component="span">
                {nameOf(name)}: <b>{said(name, one.architecture.choices[name], speech)}</b>
              </Text>
            ))}
        </Group>
      ),
    },
  ];
  return (
    <Paper withBorder radius="md" p="md">
      <Title order={2} size="h4">
        {t("tune.leaderboard")}
      </Title>
      <Text size="sm" c="dimmed" mb="xs">
        {t("tune.leaderboard-hint")}
      </Text>
      <DataTable name={t("tune.leaderboard")} columns={columns} rows={rows} rowKey={(one) => one.plan} leastWidth={560} />
    </Paper>
  );
}

/** The choices that are not the same in all rows. */
function differences(rows: readonly Leader[]): string[] {
  const names = [...new Set(rows.flatMap((row) => Object.keys(row.architecture.choices)))];
  return names.filter((name) => new Set(rows.map((row) => JSON.stringify(row.architecture.choices[name]))).size > 1);
}
