/** Plans: how the collection is searched; which serves, in what they differ, serve another, go back. */
import { Badge, Button, Group, Paper, Stack, Text } from "@mantine/core";
import { Undo2 } from "lucide-react";
import { useState } from "react";
import { planId, type PlanView, usePlanDifference, usePlans, usePromote } from "@/api/plans";
import { useAllows } from "@/api/session";
import { useConfirm } from "@/components/confirm";
import { type Column, DataTable } from "@/components/DataTable";
import { Loaded } from "@/components/Loaded";
import { Maker } from "@/components/Maker";
import { Time } from "@/components/Time";
import { useConfirmedRollback } from "@/hooks/rollback";
import { useSpeech } from "@/i18n";
import { RolloutCard } from "@/pages/tuning/RolloutCard";
import { said, useChoiceName } from "@/pages/tuning/words";

export function Plans({ collection }: { collection: string }) {
  const { t } = useSpeech();
  const plans = usePlans(collection);
  return (
    <Stack gap="md">
      <Text size="sm" c="dimmed" maw={640}>
        {t("models.plans-lead")}
      </Text>
      <RolloutCard collection={collection} />
      <Loaded query={plans}>{(found) => <Table collection={collection} plans={[found.builtIn, ...found.plans]} serving={found.serving} />}</Loaded>
    </Stack>
  );
}

function Table({ collection, plans, serving }: { collection: string; plans: readonly PlanView[]; serving: PlanView }) {
  const { t } = useSpeech();
  const [compared, setCompared] = useState<string | null>(null);
  const nameOf = (plan: PlanView) => (plan.id == null ? t("models.default-plan") : plan.name);
  const columns: Column<PlanView>[] = [
    {
      head: t("common.name"),
      cell: (one) => (
        <Group gap="xs">
          <Text size="sm" fw={600}>
            {nameOf(one)}
          </Text>
          {one.serving && (
            <Badge color="green" variant="light" tt="none">
              {t("state.serving")}
            </Badge>
          )}
        </Group>
      ),
    },
    { head: t("models.origin"), cell: (one) => (one.id == null ? t("tune.serving-default") : <Maker told={one.origin} />) },
    { head: t("models.fingerprint"), cell: (one) => <Text size="xs">{one.digest}</Text> },
    { head: t("common.created"), cell: (one) => (one.created_at ? <Time value={one.created_at} /> : "–") },
    {
      head: t("common.actions"),
      cell: (one) => (
        <Group gap={4} wrap="nowrap">
          {!one.serving && (
            <Button size="compact-xs" variant="default" onClick={() => setCompared(compared === planId(one) ? null : planId(one))} aria-expanded={compared === planId(one)}>
              {t("models.differences")}
            </Button>
          )}
          <Acts collection={collection} plan={one} serving={serving} name={nameOf(one)} />
        </Group>
      ),
    },
  ];
  return (
    <Paper withBorder radius="md" p="md">
      <DataTable name={t("models.plans")} columns={columns} rows={plans} rowKey={planId} leastWidth={720} />
      {compared !== null && <Differences collection={collection} plan={compared} serving={serving} />}
    </Paper>
  );
}

interface Change {
  readonly field: string;
  readonly one: unknown;
  readonly other: unknown;
}

function Differences({ collection, plan, serving }: { collection: string; plan: string; serving: PlanView }) {
  const speech = useSpeech();
  const { t } = speech;
  const nameOf = useChoiceName();
  const differences = usePlanDifference(collection, plan, planId(serving));
  const columns: Column<Change>[] = [
    { head: t("models.choice"), cell: (row) => nameOf(row.field) },
    { head: t("models.this-plan"), cell: (row) => said(row.field, row.one, speech) },
    { head: t("tune.serving"), cell: (row) => said(row.field, row.other, speech) },
  ];
  return (
    <Loaded query={differences}>
      {(found) =>
        found.length === 0 ? (
          <Text size="sm" c="dimmed" mt="md">
            {t("models.no-differences")}
          </Text>
        ) : (
          <DataTable name={t("models.differences")} columns={columns} rows={found as Change[]} rowKey={(row) => row.field} leastWidth={420} />
        )
      }
    </Loaded>
  );
}

function Acts({ collection, plan, serving, name }: { collection: string; plan: PlanView; serving: PlanView; name: string }) {
  const { t } = useSpeech();
  const allows = useAllows();
  const confirm = useConfirm();
  const promote = usePromote(collection);
  const back = useConfirmedRollback(collection, "");
  if (!allows("admin")) return null;
  if (plan.serving) {
    if (plan.id == null) return null;
    return (
      <Button size="compact-xs" variant="default" leftSection={<Undo2 size={12} aria-hidden />} onClick={() => void back.ask()}>
        {t("tune.roll-back")}
      </Button>
    );
  }
  const serve = async () => {
    const question = { title: t("models.serve-title", { name }), body: t("models.serve-text"), action: t("tune.promote") };
    if (await confirm(question)) promote.mutate({ plan: planId(plan), serving, reason: "" });
  };
  return (
    <Button size="compact-xs" variant="default" onClick={() => void serve()}>
      {t("tune.promote")}
    </Button>
  );
}
