/** Names of languages. */
import { useSpeech } from "@/i18n";

/** A language's name in the page's language; its code where nobody knows it. */
export function useLanguageNames(): (code: string) => string {
  const { language, t } = useSpeech();
  const names = new Intl.DisplayNames([language], { type: "language", fallback: "code" });
  return (code) => {
    if (!code) return t("documents.language-unknown");
    try {
      return names.of(code) ?? code;
    } catch {
      return code; // no language code at all
    }
  };
}
