/** What a generation was compared by: whether it holds what it should, and what it finds beside the serving one. */
import { Alert, List, Stack, Text, Title } from "@mantine/core";
import type { Generation } from "@/api/models";
import { CodeText, pretty } from "@/components/CodeText";
import { type Column, DataTable } from "@/components/DataTable";
import { Interval } from "@/components/Interval";
import { measure, signed, Verdict } from "@/components/Verdict";
import { useSpeech } from "@/i18n";

interface Parity {
  readonly in_step?: boolean;
  readonly documents?: number;
  readonly chunks?: number;
  readonly documents_lost?: number;
  readonly unembedded?: number;
  readonly damaged?: number;
  readonly views?: Readonly<Record<string, { readonly missing: number; readonly surplus: number; readonly changed: number }>>;
}

/** As the server tells it; what a version of it does not tell is absent. */
interface Told {
  readonly parity?: Parity;
  readonly eval_set?: string;
  readonly serving?: Readonly<Record<string, unknown>> | null;
  readonly new?: Readonly<Record<string, unknown>>;
  readonly differences?: Readonly<Record<string, { readonly mean: number; readonly low: number; readonly high: number }>>;
  readonly worse?: readonly string[];
  readonly refused?: string;
}

export function hasEvidence(one: Generation): boolean {
  return one.evidence !== null && Object.keys(one.evidence).length > 0;
}

export function isWorse(one: Generation): boolean {
  return ((one.evidence as Told | null)?.worse?.length ?? 0) > 0;
}

interface Row {
  readonly metric: string;
  readonly before: number;
  readonly after: number;
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

export function Evidence({ of }: { of: Generation }) {
  const { t, language } = useSpeech();
  const told = of.evidence as Told;
  const rows = rowsOf(told);
  const reach = Math.max(0.01, ...rows.flatMap((row) => [Math.abs(row.low), Math.abs(row.high)]));
  const verdict = (row: Row) => (row.high < 0 ? "worse" : row.low > 0 ? "better" : "alike");
  const columns: Column<Row>[] = [
    { head: t("eval.metric"), cell: (row) => row.metric },
    { head: t("eval.before"), numeric: true, cell: (row) => measure(row.before, language) },
    { head: t("eval.after"), numeric: true, cell: (row) => measure(row.after, language) },
    { head: t("eval.difference"), numeric: true, cell: (row) => signed(row.mean, language) },
    { head: t("eval.range"), cell: (row) => <Interval mean={row.mean} interval={[row.low, row.high]} range={[-reach, reach]} look={verdict(row)} /> },
    { head: t("eval.verdict"), cell: (row) => <Verdict value={verdict(row)} mean={row.mean} /> },
  ];
  const parity = told.parity;
  return (
    <Stack gap="sm" mt="md">
      <Title order={3} size="h5">
        {t("models.evidence-of", { id: of.id })}
      </Title>
      {parity && (
        <Alert color={parity.in_step ? "green" : "yellow"} py="xs">
          {t(parity.in_step ? "models.in-step" : "models.not-in-step", { documents: parity.documents ?? 0, chunks: parity.chunks ?? 0 })}
          {!parity.in_step && <Lacking parity={parity} />}
        </Alert>
      )}
      {rows.length > 0 ? (
        <>
          <Text size="sm">{t("models.compared-on", { name: told.eval_set ?? "" })}</Text>
          <DataTable name={t("models.evidence")} columns={columns} rows={rows} rowKey={(row) => row.metric} leastWidth={620} />
        </>
      ) : (
        <Text size="sm" c="dimmed">
          {told.refused ?? t("models.no-set")}
        </Text>
      )}
      <CodeText value={pretty(of.evidence)} label={t("models.evidence")} height={200} />
    </Stack>
  );
}

/** Why it may not take over. */
function Lacking({ parity }: { parity: Parity }) {
  const { t, textOr } = useSpeech();
  const counted = [
    [parity.documents_lost, "models.lacks-documents"],
    [parity.unembedded, "models.lacks-vectors"],
    [parity.damaged, "models.lacks-damaged"],
  ] as const;
  const found = counted.flatMap(([count, key]) => (count ? [t(key, { count })] : []));
  for (const [view, { missing, surplus, changed }] of Object.entries(parity.views ?? {})) {
    if (missing || surplus || changed) found.push(t("models.lacks-view", { view: textOr(`models.view-${view}`, view), missing, surplus, changed }));
  }
  return (
    <List size="sm">
      {found.map((one) => (
        <List.Item key={one}>{one}</List.Item>
      ))}
    </List>
  );
}

function rowsOf(told: Told): Row[] {
  return Object.entries(told.differences ?? {}).map(([metric, change]) => ({
    metric,
    before: Number(told.serving?.[metric] ?? 0),
    after: Number(told.new?.[metric] ?? 0),
    ...change,
  }));
}
