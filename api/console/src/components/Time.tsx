/** A moment as "5 minutes ago", exact under the pointer, and renewed as it gets older. */
import { useEffect, useReducer } from "react";
import { useSpeech } from "@/i18n";

const UNITS: readonly (readonly [Intl.RelativeTimeFormatUnit, number])[] = [
  ["year", 31_536_000],
  ["month", 2_628_000], // of twelve in a year
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
  ["second", 1],
];
const RENEW_MS = 15_000;

export function Time({ value }: { value: string | null | undefined }) {
  const { language, t } = useSpeech();
  const [, renew] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    const timer = setInterval(renew, RENEW_MS);
    return () => clearInterval(timer);
  }, []);
  if (!value) return <>{t("common.never")}</>;
  const moment = new Date(value);
  return (
    <time dateTime={value} title={moment.toLocaleString(language)}>
      {ago(moment, language)}
    </time>
  );
}

/** Seconds to the nearest `unit`: what would be told as 60 minutes is an hour. */
function rounded(seconds: number, unit = 1): number {
  return Math.round(Math.abs(seconds) / unit) * unit;
}

/** How long ago, or in how long, in words. */
export function ago(moment: Date, language: string, now = Date.now()): string {
  const seconds = Math.round((moment.getTime() - now) / 1000);
  const [unit, size] = UNITS.find(([, least], place) => rounded(seconds, UNITS[place + 1]?.[1]) >= least) ?? ["second", 1];
  const numeric = unit === "year" || unit === "month" ? "always" : "auto"; // "next year" may be tomorrow or in two years
  return new Intl.RelativeTimeFormat(language, { numeric }).format(Math.round(seconds / size), unit);
}
