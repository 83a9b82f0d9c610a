/** Choices of an architecture in words. */
import { type Key, type Speech, useSpeech } from "@/i18n";

/** A choice's name for people: the translation, else the name itself. */
export function useChoiceName(): (name: string) => string {
  const { textOr } = useSpeech();
  return (name) => textOr(`choice.${name}`, name);
}

/** A value as a person writes it. */
export function said(value: unknown, { t, textOr, language }: Speech): string {
  if (value === true) return t("common.yes");
  if (value === false) return t("common.no");
  if (value == null) return t("common.none");
  if (typeof value === "number") return value.toLocaleString(language, { maximumFractionDigits: 6 });
  return textOr(`value.${String(value)}`, String(value));
}

/** A metric such as recall@5 as people write it. */
export function metricName(metric: string, { textOr }: Speech): string {
  const [measure = "", depth = ""] = metric.split("@");
  const name = textOr(`measure.${measure}`, measure);
  return depth === "" ? name : `${name}@${depth}`;
}

/** Why a candidate does not serve, as the server says it in English, by what it begins with. */
const REASONS: readonly (readonly [RegExp, Key])[] = [
  [/^it was not to be promoted/, "reason.asked"],
  [/^the questions were made from the corpus/, "reason.made"],
  [/^what serves already was not beaten/, "reason.same"],
  [/^the sealed questions show no gain/, "reason.no-gain"],
  [/may be chance \(p = (?<p>[\d.]+)/, "reason.chance"],
  [/^(?<count>\d+) questions of kind (?<kind>\S+) become worse/, "reason.kind"],
  [/^searches would take (?<ratio>[\d.]+)/, "reason.slow"],
  [/began to serve during the run/, "reason.overtaken"],
];

/** The reason in the person's language; one that is not known here stays as the server says it. */
export function because(reason: string, { textOr }: Speech): string {
  for (const [pattern, key] of REASONS) {
    const found = pattern.exec(reason);
    if (!found) continue;
    const words = { ...found.groups };
    if (words["kind"]) words["kind"] = textOr(`kind.${words["kind"]}`, words["kind"]);
    return textOr(key, reason, words);
  }
  return reason;
}
