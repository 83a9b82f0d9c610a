/** Choices of an architecture, and reasons, in words. */
import type { Result } from "@/api/tuning";
import { type Speech, useSpeech } from "@/i18n";
import { withWords } from "@/i18n/words";

/** A choice's name for people: the translation, else the name itself. */
export function useChoiceName(): (name: string) => string {
  const { textOr } = useSpeech();
  return (name) => textOr(`choice.${name}`, name);
}

/** A value of that choice as a person writes it; the same word may mean another thing elsewhere. */
export function said(name: string, value: unknown, { t, textOr, language }: Speech): string {
  if (value === true) return t("common.yes");
  if (value === false) return t("common.no");
  if (value == null) return t("common.none");
  if (typeof value === "number") return value.toLocaleString(language, { maximumFractionDigits: 6 });
  return textOr(`value.${name}.${String(value)}`, textOr(`value.${String(value)}`, String(value)));
}

/** A metric such as recall@5 as people write it. */
export function metricName(metric: string, { textOr }: Speech): string {
  const [measure = "", depth = ""] = metric.split("@");
  const name = textOr(`measure.${measure}`, measure);
  return depth === "" ? name : `${name}@${depth}`;
}

/** The server's codes of reasons, each with its sentence: for the words in it, and for older results without codes. */
const REASONS: readonly (readonly [code: string, sentence: RegExp])[] = [
  ["not_asked", /^it was not to be promoted|^promotion was not asked for/],
  ["not_judged", /^the questions were made from the corpus/],
  ["not_beaten", /^what serves already was not beaten/],
  ["no_gain", /^the sealed questions show no gain/],
  ["chance", /may be chance \(p = (?<p>[\d.]+); expected below (?<level>[\d.e-]+)\)/],
  ["kind_worse", /^(?<count>\d+) questions? of kind (?<kind>\S+) becomes? worse/],
  ["slower", /^searches would take (?<ratio>[\d.]+) times/],
  ["over_latency", /^(?:searches|an answer) would take (?<ms>[\d.]+) ms/],
  ["overtaken", /began to serve during the run/],
];

/** Why a candidate does not serve: the server's sentence, and its code; "" where none is known. */
export interface Reason {
  readonly sentence: string;
  readonly code: string;
}

export function reasonsOf(result: Result): readonly Reason[] {
  return (result.reasons ?? []).map((sentence, at) => ({
    sentence,
    code: result.reason_codes?.[at] ?? REASONS.find(([, pattern]) => pattern.test(sentence))?.[0] ?? "",
  }));
}

/** The reason in the person's language, with the server's own words where they may say more. */
export function because({ sentence, code }: Reason, speech: Speech): string {
  const { textOr } = speech;
  const pattern = REASONS.find(([known]) => known === code)?.[1];
  if (!pattern) return withWords(textOr(`reason.${code}`, ""), sentence, speech);
  const words = { ...pattern.exec(sentence)?.groups };
  if (words["kind"]) words["kind"] = textOr(`kind.${words["kind"]}`, words["kind"]);
  return textOr(`reason.${code}`, sentence, words);
}

/** How the server names where the questions come from, and the text for it. */
const ORIGINS: readonly (readonly [told: RegExp, key: string])[] = [
  [/^evaluation set (?<quote>['"])(?<name>.+)\k<quote>$/, "origin.set"],
  [/^given$/, "origin.given"],
  [/^made from the corpus$/, "origin.made"],
];

/** Where the questions come from, in the person's language; the server's own words where they are others. */
export function originOf(told: string, { textOr }: Speech): string {
  for (const [pattern, key] of ORIGINS) {
    const found = pattern.exec(told);
    if (found) return textOr(key, told, { ...found.groups });
  }
  return told;
}
