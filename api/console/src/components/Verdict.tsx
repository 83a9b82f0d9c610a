/** Whether something became better or worse by more than chance: a word, an arrow and a colour. */
import { Badge } from "@mantine/core";
import { ArrowDown, ArrowUp, Equal, EqualApproximately } from "lucide-react";
import { useSpeech } from "@/i18n";

const LOOKS = {
  worse: ["red", ArrowDown],
  alike: ["gray", Equal],
  unproven: ["gray", EqualApproximately],
  better: ["green", ArrowUp],
} as const;

interface Props {
  value: "worse" | "alike" | "better";
  /** Of the difference: where it is not 0, that nothing is proven does not make both alike. */
  mean: number;
  detail?: string;
}

export function Verdict({ value, mean, detail }: Props) {
  const { t } = useSpeech();
  const said = value === "alike" && mean !== 0 ? "unproven" : value;
  const [colour, Icon] = LOOKS[said];
  return (
    <Badge variant="light" color={colour} tt="none" fw={600} leftSection={<Icon size={12} aria-hidden />}>
      {t(`verdict.${said}`)}
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
