/** Whether something became better or worse by more than chance: a word, an arrow and a colour. */
import { Badge } from "@mantine/core";
import { ArrowDown, ArrowUp, Equal } from "lucide-react";
import { useSpeech } from "@/i18n";

const LOOKS = {
  worse: ["red", ArrowDown],
  alike: ["gray", Equal],
  better: ["green", ArrowUp],
} as const;

export function Verdict({ value, detail }: { value: keyof typeof LOOKS; detail?: string }) {
  const { t } = useSpeech();
  const [colour, Icon] = LOOKS[value];
  return (
    <Badge variant="light" color={colour} tt="none" fw={600} leftSection={<Icon size={12} aria-hidden />}>
      {t(`verdict.${value}`)}
      {detail && ` · ${detail}`}
    </Badge>
  );
}

/** A difference with its sign. */
export function signed(value: number, language: string, digits = 3): string {
  const text = Math.abs(value).toLocaleString(language, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  return `${value < 0 ? "−" : "+"}${text}`;
}

/** A measure between 0 and 1. */
export function measure(value: number, language: string): string {
  return value.toLocaleString(language, { minimumFractionDigits: 3, maximumFractionDigits: 3 });
}
