/** What the sealed questions said, with the evidence; and the acts it leads to: promote, go back. */
import { Alert, Button, Group, List, Paper, Stack, Text, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { ArrowUpRight, CircleCheck, CircleMinus, Undo2 } from "lucide-react";
import { usePlans, usePromote } from "@/api/plans";
import { useAllows } from "@/api/session";
import type { ExperimentDetail, Result, Stratum } from "@/api/tuning";
import { useConfirm } from "@/components/confirm";
import { type Column, DataTable } from "@/components/DataTable";
import { Interval } from "@/components/Interval";
import { Tile, Tiles } from "@/components/Tiles";
import { measure, signed, Verdict } from "@/components/Verdict";
import { useConfirmedRollback } from "@/hooks/rollback";
import { useSpeech } from "@/i18n";
import { RolloutForm } from "./RolloutForm";
import { told } from "./sentences";
import { because, metricName, originOf, reasonsOf } from "./words";

const FORMER_METRIC = "ndcg@10"; // of results that do not say
const FORMER_LEVEL = 0.05; // likewise, of the gate's test

interface Props {
  collection: string;
  experiment: ExperimentDetail;
  result: Result;
}

export function VerdictCard({ collection, experiment, result }: Props) {
  const speech = useSpeech();
  const { t } = speech;
  const reasons = reasonsOf(result);
  const isProven = isBetter(result);
  return (
    <Paper withBorder radius="md" p="md">
      <Stack gap="md">
        <Group justify="space-between" align="flex-start">
          <Title order={2} size="h4">
            {t("tune.verdict")}
          </Title>
          <Acts collection={collection} experiment={experiment} result={result} />
        </Group>
        <Alert
          color={isProven ? "green" : "blue"}
          icon={isProven ? <CircleCheck size={18} aria-hidden /> : <CircleMinus size={18} aria-hidden />}
          title={t(result.promoted ? "tune.promoted-title" : isProven ? "tune.proven-title" : "tune.kept-title")}
        >
          {reasons.length === 0 ? (
            t("tune.promoted-text")
          ) : reasons.length === 1 ? (
            reasons.map((reason) => because(reason, speech))
          ) : (
            <List size="sm">
              {reasons.map((reason) => (
                <List.Item key={reason.sentence}>{because(reason, speech)}</List.Item>
              ))}
            </List>
          )}
        </Alert>
        <Numbers result={result} />
        <Kinds strata={result.strata ?? []} />
        {result.supervision && (
          <Text size="sm" c="dimmed">
            {t("tune.supervision", { count: result.supervision.questions, origin: originOf(result.supervision.origin, speech) })}{" "}
            {result.supervision.notes.map((note) => told(note, speech)).join(" ")}
          </Text>
        )}
      </Stack>
    </Paper>
  );
}

function Numbers({ result }: { result: Result }) {
  const speech = useSpeech();
  const { t, language } = speech;
  const metric = result.metric ?? FORMER_METRIC;
  const before = (result.serving ?? result.default)?.[metric];
  const after = result.tuned?.[metric];
  const name = metricName(metric, speech);
  const [low, high] = result.lift_interval ?? [0, 0];
  const reach = Math.max(0.01, Math.abs(low), Math.abs(high));
  const lift = result.lift ?? 0;
  return (
    <Tiles>
      <Tile label={t("tune.before")} value={before === undefined ? "–" : measure(before, language)} hint={t("tune.before-hint", { metric: name })} />
      <Tile label={t("tune.after")} value={after === undefined ? "–" : measure(after, language)} hint={t("tune.after-hint", { metric: name })} />
      <Tile
        label={t("tune.gain")}
        value={signed(lift, language, 4)}
        hint={
          <>
            {t("tune.gain-range", { low: signed(low, language, 4), high: signed(high, language, 4) })}
            <Interval mean={lift} interval={[low, high]} range={[-reach, reach]} look={low > 0 ? "better" : high < 0 ? "worse" : "alike"} />
          </>
        }
      />
      <Tile
        label={t("tune.chance")}
        value={(result.p_value ?? 1).toLocaleString(language, { maximumFractionDigits: 4 })}
        hint={t("tune.chance-hint", { level: levelOf(result).toLocaleString(language, { maximumSignificantDigits: 3 }) })}
      />
      <Tile label={t("tune.sealed")} value={(result.sealed_questions ?? 0).toLocaleString(language)} hint={t("tune.sealed-hint")} />
      {result.latency_ms && (
        <Tile
          label={t("tune.latency")}
          value={`${result.latency_ms.after_ms.toLocaleString(language, { maximumFractionDigits: 1 })} ms`}
          hint={t("tune.latency-hint", { before: result.latency_ms.before_ms.toLocaleString(language, { maximumFractionDigits: 1 }) })}
        />
      )}
    </Tiles>
  );
}

function Kinds({ strata }: { strata: readonly Stratum[] }) {
  const { t, textOr, language } = useSpeech();
  if (strata.length === 0) return null;
  const reach = Math.max(0.01, ...strata.flatMap((one) => [Math.abs(one.low), Math.abs(one.high)]));
  const verdict = (one: Stratum) => (one.high < 0 ? "worse" : one.low > 0 ? "better" : "alike");
  const columns: Column<Stratum>[] = [
    { head: t("eval.kind"), cell: (one) => textOr(`kind.${one.name}`, one.name) },
    { head: t("eval.questions"), numeric: true, cell: (one) => one.questions.toLocaleString(language) },
    { head: t("tune.gain"), numeric: true, cell: (one) => signed(one.lift, language, 4) },
    { head: t("eval.range"), cell: (one) => <Interval mean={one.lift} interval={[one.low, one.high]} range={[-reach, reach]} look={verdict(one)} /> },
    { head: t("eval.verdict"), cell: (one) => <Verdict value={verdict(one)} mean={one.lift} /> },
  ];
  return <DataTable name={t("tune.by-kind")} columns={columns} rows={strata} rowKey={(one) => one.name} leastWidth={560} />;
}

function Acts({ collection, experiment, result }: Props) {
  const speech = useSpeech();
  const { t, language } = speech;
  const allows = useAllows();
  const confirm = useConfirm();
  const plans = usePlans(collection).data;
  const promote = usePromote(collection);
  const back = useConfirmedRollback(collection, `back from experiment ${experiment.id}`);
  const [sharing, share] = useDisclosure(false);
  const id = result.plan?.id ?? null;
  if (!allows("admin") || id === null || plans === undefined) return null;
  const words = {
    metric: metricName(result.metric ?? FORMER_METRIC, speech),
    gain: signed(result.lift ?? 0, language, 4),
    p: (result.p_value ?? 1).toLocaleString(language, { maximumFractionDigits: 4 }),
    questions: result.sealed_questions ?? 0,
  };
  const evidence = (
    <Stack gap="xs">
      <Text size="sm">{t("tune.evidence", words)}</Text>
      {reasonsOf(result).map((reason) => (
        <Text size="sm" key={reason.sentence}>
          {because(reason, speech)}
        </Text>
      ))}
    </Stack>
  );
  const reason = `experiment ${experiment.id}: ${words.gain}, p = ${words.p}`;
  const serve = async () => {
    const question = { title: t("tune.promote-title"), body: evidence, action: t("tune.promote") };
    if (await confirm(question)) promote.mutate({ plan: String(id), serving: plans.serving, reason });
  };
  return plans.serving.id === id ? (
    <Button variant="default" leftSection={<Undo2 size={15} aria-hidden />} loading={back.isPending} onClick={() => void back.ask()}>
      {t("tune.roll-back")}
    </Button>
  ) : (
    <Group gap="xs">
      <Button variant="default" onClick={share.open}>
        {t("rollout.begin")}
      </Button>
      <Button leftSection={<ArrowUpRight size={15} aria-hidden />} loading={promote.isPending} onClick={() => void serve()}>
        {t("tune.promote")}
      </Button>
      <RolloutForm collection={collection} plan={sharing ? String(id) : null} close={share.close} />
    </Group>
  );
}

/** Whether it serves, or only its promotion was left to a person. */
function isBetter(result: Result): boolean {
  const reasons = reasonsOf(result);
  const isLeft = reasons.length === 1 && reasons[0]?.code === "not_asked";
  return result.promoted === true || (isLeft && (result.lift_interval?.[0] ?? 0) > 0 && (result.p_value ?? 1) < levelOf(result));
}

function levelOf(result: Result): number {
  return result.level ?? FORMER_LEVEL;
}
