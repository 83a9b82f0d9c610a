/** The numbers that matter. */
import type { Overview } from "@/api/overview";
import { Tile, Tiles } from "@/components/Tiles";
import { useSpeech } from "@/i18n";

export function Numbers({ now }: { now: Overview }) {
  const { t, language } = useSpeech();
  const number = (value: number) => value.toLocaleString(language);
  const documents = total(now.collections.map((one) => one.documents));
  const passages = total(now.collections.map((one) => one.chunks));
  const lag = total(now.collections.map((one) => one.lag ?? 0));
  const letters = total(now.sources.map((one) => one.dead_letters));
  const failed = now.jobs["failed"] ?? 0;
  const latency = [...now.history].reverse().find((step) => step.p95_ms !== null)?.p95_ms;
  return (
    <Tiles>
      <Tile label={t("overview.documents")} value={number(documents)} hint={t("overview.passages", { count: passages })} />
      <Tile label={t("overview.lag")} value={number(lag)} hint={t("overview.lag-hint")} />
      <Tile
        label={t("overview.latency")}
        value={latency == null ? "–" : `${number(Math.round(latency * 10) / 10)} ms`}
        hint={t("overview.latency-hint")}
      />
      <Tile
        label={t("overview.jobs")}
        value={number(now.jobs["running"] ?? 0)}
        hint={t("overview.jobs-waiting", { count: now.jobs["queued"] ?? 0 })}
      />
      <Tile label={t("overview.jobs-failed")} value={number(failed)} alarming={failed > 0} />
      <Tile label={t("overview.letters")} value={number(letters)} hint={t("overview.letters-hint")} alarming={letters > 0} />
    </Tiles>
  );
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}
