/** The language of the pages: English comes with them, Chinese when it is chosen. */
import { createContext, type ReactNode, useCallback, useContext, useEffect, useMemo, useState } from "react";
import { keep, kept } from "@/lib/storage";
import { en } from "./en";
import { fill } from "./format";
import type { Arguments, Names, Parameters, Translation } from "./types";

export type Key = keyof typeof en;
/** A key whose text has no parameters. */
export type PlainKey = { [K in Key]: [Names<(typeof en)[K]>] extends [never] ? K : never }[Key];
export type Language = "en" | "zh";
export const LANGUAGES: Readonly<Record<Language, string>> = { en: "English", zh: "中文" };
const STORED = "kb-language";

type Dictionary = Translation<typeof en>;
const loaders: Readonly<Record<Language, () => Promise<Dictionary>>> = {
  en: () => Promise.resolve(en),
  zh: async () => (await import("./zh")).zh,
};

export interface Speech {
  readonly language: Language;
  /** The text of a key. */
  readonly t: <K extends Key>(key: K, ...parameters: Arguments<(typeof en)[K]>) => string;
  /** The text of a key that is only known at run time; `otherwise` where there is none. */
  readonly textOr: (key: string, otherwise: string, parameters?: Parameters) => string;
  readonly setLanguage: (language: Language) => void;
}

const SpeechContext = createContext<Speech | null>(null);

/** Say `language` to `useSpeech` below; nothing is shown until its texts are there. */
export function SpeechProvider({ children }: { children: ReactNode }) {
  const [language, choose] = useState<Language>(preferred);
  const [texts, setTexts] = useState<readonly [Language, Dictionary] | null>(language === "en" ? ["en", en] : null);
  useEffect(() => {
    let current = true;
    void loaders[language]().then((found) => current && setTexts([language, found]));
    return () => {
      current = false;
    };
  }, [language]);
  const setLanguage = useCallback((wanted: Language) => {
    keep(STORED, wanted);
    choose(wanted);
  }, []);
  const speech = useMemo(() => (texts ? speechOf(texts[0], texts[1], setLanguage) : null), [texts, setLanguage]);
  useEffect(() => {
    if (speech) document.documentElement.lang = speech.language === "zh" ? "zh-CN" : "en";
  }, [speech]);
  if (speech === null) return null;
  return <SpeechContext.Provider value={speech}>{children}</SpeechContext.Provider>;
}

export function useSpeech(): Speech {
  const speech = useContext(SpeechContext);
  if (speech === null) throw new Error("useSpeech is used outside of SpeechProvider");
  return speech;
}

function speechOf(language: Language, texts: Dictionary, setLanguage: Speech["setLanguage"]): Speech {
  const all = texts as Readonly<Record<string, string>>;
  return {
    language,
    setLanguage,
    t: (key, ...parameters) => fill(texts[key], (parameters[0] ?? {}) as Parameters, language),
    textOr: (key, otherwise, parameters = {}) => {
      const text = all[key];
      return text === undefined ? otherwise : fill(text, parameters, language);
    },
  };
}

function preferred(): Language {
  const chosen = kept(STORED);
  if (chosen === "en" || chosen === "zh") return chosen;
  return navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
}
