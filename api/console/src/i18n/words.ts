/** What the server says, which is English and exact, for people of every language. */
import type { Speech } from ".";

/** `known` is what it means in the person's language, "" where that is not known; the server's own words follow. */
export function withWords(known: string, words: string, { t, language }: Speech): string {
  if (known === "" || words === "") return known || words;
  return language === "en" ? words : t("common.with-words", { known, words });
}
