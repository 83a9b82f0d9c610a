/** The rollout that runs, or the last one: how far it is, what was counted of both plans, and the next step. */
import { Badge, Button, Group, Paper, Progress, Stack, Text, Title } from "@mantine/core";
import { ArrowUpRight, CircleStop } from "lucide-react";
import { type PlanView, usePlans } from "@/api/plans";
import { type Arm, type Check, goesOn, type Rollout, type RolloutStage, stageKey, useRollout, useRolloutActs } from "@/api/rollouts";
import { useAllows } from "@/api/session";
import { useConfirm } from "@/components/confirm";
import { type Column, DataTable } from "@/components/DataTable";
import { Loaded } from "@/components/Loaded";
import { Time } from "@/components/Time";
import { useSpeech } from "@/i18n";

const FIRST = 0.1; // of a canary, at most
const LARGER: readonly number[] = [FIRST, 0.25, 0.5]; // shares on the way to all

export function RolloutCard({ collection }: { collection: string }) {
  const rollout = useRollout(collection);
  return <Loaded query={rollout}>{(found) => found && <Card collection={collection} rollout={found} />}</Loaded>;
}

function Card({ collection, rollout }: { collection: string; rollout: Rollout }) {
  const { t } = useSpeech();
  const plans = usePlans(collection).data?.plans ?? [];
  const going = goesOn(rollout);
  const stage = rollout.stages.at(-1);
  return (
    <Paper withBorder radius="md" p="md">
      <Stack gap="sm">
        <Group justify="space-between" align="flex-start">
          <div>
            <Group gap="xs">
              <Title order={2} size="h5">
                {t("rollout.title")}
              </Title>
              <Badge variant="light" tt="none" color={going ? "blue" : rollout.stage === "rolled_back" ? "red" : "gray"}>
                {t(stageKey(rollout.stage))}
              </Badge>
            </Group>
            <Text size="sm">
              {t("rollout.what", { candidate: nameOf(plans, rollout.plan_id, t("models.default-plan")), serving: nameOf(plans, rollout.previous_id, t("models.default-plan")) })}{" "}
              <Text component="span" c="dimmed">
                <Time value={rollout.changed_at} />
              </Text>
            </Text>
          </div>
          {going && <Steps collection={collection} rollout={rollout} />}
        </Group>
        {going && (
          <Stack gap={4}>
            <Progress value={100 * rollout.share} aria-label={t("rollout.share-name")} />
            <Text size="xs" c="dimmed">
              {t(rollout.stage === "shadow" ? "rollout.shadow-text" : "rollout.canary-text", { share: Math.round(rollout.share * 100) })}
            </Text>
          </Stack>
        )}
        {rollout.reason && <Text size="sm">{rollout.reason}</Text>}
        {stage && <Counted stage={stage} />}
      </Stack>
    </Paper>
  );
}

function Steps({ collection, rollout }: { collection: string; rollout: Rollout }) {
  const { t } = useSpeech();
  const allows = useAllows();
  const confirm = useConfirm();
  const { advance, stop } = useRolloutActs(collection);
  if (!allows("admin")) return null;
  const larger = rollout.stage === "shadow" ? Math.min(rollout.share, FIRST) : LARGER.find((share) => share > rollout.share + 1e-9);
  const from = rollout.stage === "shadow" ? "shadow" : "canary";
  const all = async () => {
    if (await confirm({ title: t("rollout.all-title"), body: t("rollout.all-text"), action: t("rollout.all") })) advance.mutate({ share: null, from });
  };
  const end = async () => {
    if (await confirm({ title: t("rollout.stop-title"), body: t("rollout.stop-text"), action: t("rollout.stop") })) stop.mutate(from);
  };
  return (
    <Group gap="xs">
      {larger !== undefined && (
        <Button size="xs" variant="default" loading={advance.isPending} onClick={() => advance.mutate({ share: larger, from })}>
          {t(rollout.stage === "shadow" ? "rollout.to-canary" : "rollout.to-share", { share: Math.round(larger * 100) })}
        </Button>
      )}
      {rollout.stage === "canary" && (
        <Button size="xs" leftSection={<ArrowUpRight size={14} aria-hidden />} onClick={() => void all()}>
          {t("rollout.all")}
        </Button>
      )}
      <Button size="xs" variant="default" leftSection={<CircleStop size={14} aria-hidden />} onClick={() => void end()}>
        {t("rollout.stop")}
      </Button>
    </Group>
  );
}

interface ArmRow {
  readonly name: string;
  readonly arm: Arm;
}

function Counted({ stage }: { stage: RolloutStage }) {
  const { t, textOr, language } = useSpeech();
  const ms = (value: number | null) => (value === null ? "–" : `${value.toLocaleString(language, { maximumFractionDigits: 1 })} ms`);
  const share = (value: number | null) => (value === null ? "–" : value.toLocaleString(language, { style: "percent", maximumFractionDigits: 1 }));
  const columns: Column<ArmRow>[] = [
    { head: t("eval.plan"), cell: (row) => row.name },
    { head: t("rollout.searches"), numeric: true, cell: (row) => row.arm.searches.toLocaleString(language) },
    { head: t("rollout.errors"), numeric: true, cell: (row) => row.arm.errors.toLocaleString(language) },
    { head: t("rollout.empty"), numeric: true, cell: (row) => row.arm.empty.toLocaleString(language) },
    { head: t("rollout.thumbs"), numeric: true, cell: (row) => `${row.arm.helpful} / ${row.arm.unhelpful}` },
    { head: t("eval.latency"), numeric: true, cell: (row) => ms(row.arm.p50_ms) },
  ];
  const checks: Column<Check>[] = [
    { head: t("rollout.check"), cell: (one) => textOr(`check.${one.name}`, one.name) },
    { head: t("rollout.candidate"), numeric: true, cell: (one) => share(one.candidate) },
    { head: t("tune.serving"), numeric: true, cell: (one) => share(one.serving) },
    {
      head: t("eval.verdict"),
      cell: (one) => (
        <Badge variant="light" tt="none" color={one.is_worse ? "red" : "green"}>
          {t(one.is_worse ? "rollout.worse" : "rollout.fine")}
        </Badge>
      ),
    },
  ];
  const rows = [
    { name: t("tune.serving"), arm: stage.serving },
    { name: t("rollout.candidate"), arm: stage.candidate },
  ];
  return (
    <Stack gap="xs">
      <DataTable name={t("rollout.counted")} columns={columns} rows={rows} rowKey={(row) => row.name} leastWidth={560} />
      {stage.checks.length > 0 && <DataTable name={t("rollout.checks")} columns={checks} rows={stage.checks} rowKey={(one) => one.name} leastWidth={480} />}
      {stage.overlap !== null && <Text size="sm">{t("rollout.overlap", { pairs: stage.pairs, share: Math.round(stage.overlap * 100) })}</Text>}
    </Stack>
  );
}

function nameOf(plans: readonly PlanView[], id: number | null, builtIn: string): string {
  return id === null ? builtIn : (plans.find((one) => one.id === id)?.name ?? `#${id}`);
}
