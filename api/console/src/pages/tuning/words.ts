/** Choices of an architecture in words. */
import { type Speech, useSpeech } from "@/i18n";

/** A choice's name for people: the translation, else the name itself. */
export function useChoiceName(): (name: string) => string {
  const { told } = useSpeech();
  return (name) => told(`choice.${name}`, name);
}

/** A value as a person writes it. */
export function said(value: unknown, { t, told, language }: Speech): string {
  if (value === true) return t("common.yes");
  if (value === false) return t("common.no");
  if (value == null) return t("common.none");
  if (typeof value === "number") return value.toLocaleString(language, { maximumFractionDigits: 6 });
  return told(`value.${String(value)}`, String(value));
}
