/** A number within its bounds. While the field holds none it says so, and its form is not sent. */
import { NumberInput, type NumberInputProps } from "@mantine/core";
import { useDraft } from "@/hooks/draft";
import { useSpeech } from "@/i18n";

interface Props extends Omit<NumberInputProps, "value" | "onChange" | "error"> {
  value: number;
  change: (value: number) => void;
}

export function NumberField({ value, change, ...more }: Props) {
  const { t } = useSpeech();
  const [draft, setDraft, say] = useDraft<number | string>(String(value), () => value);
  const write = (given: number | string) => {
    setDraft(given);
    if (!isNumber(given)) return;
    say(String(Number(given)));
    change(Number(given));
  };
  return (
    <NumberInput
      required
      withAsterisk={false}
      clampBehavior="strict"
      allowNegative={false}
      {...more}
      value={draft}
      onChange={write}
      error={isNumber(draft) ? undefined : t("common.number-needed")}
    />
  );
}

/** Also as text: "0.50" is one that somebody is still typing. */
function isNumber(given: number | string): boolean {
  return given !== "" && Number.isFinite(Number(given));
}
