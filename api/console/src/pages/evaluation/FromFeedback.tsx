/** A set from what people said of results: a thumb up is a right document, a thumb down a wrong one. */
import { Alert, Checkbox, Stack, Text } from "@mantine/core";
import { useEffect, useMemo, useState } from "react";
import { type NewQuestion, useFeedback } from "@/api/evaluation";
import { Loaded } from "@/components/Loaded";
import { useSpeech } from "@/i18n";

interface Given {
  readonly query: string;
  readonly document_key: string | null;
  readonly rating: number;
}

interface Props {
  collection: string;
  change: (queries: readonly NewQuestion[]) => void;
}

export function FromFeedback({ collection, change }: Props) {
  const { t } = useSpeech();
  const feedback = useFeedback(collection, true);
  return (
    <Stack gap="sm">
      <Text size="sm">{t("eval.feedback-lead")}</Text>
      <Loaded query={feedback}>{(given) => <Choice given={given} change={change} />}</Loaded>
    </Stack>
  );
}

function Choice({ given, change }: { given: readonly Given[]; change: Props["change"] }) {
  const { t } = useSpeech();
  const made = useMemo(() => questionsOf(given), [given]);
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => change(made.filter((one) => !left.has(one.id))), [made, left]);
  if (made.length === 0) return <Alert color="blue">{t("eval.feedback-empty")}</Alert>;
  const toggle = (id: string, is: boolean) => setLeft(new Set(is ? [...left].filter((one) => one !== id) : [...left, id]));
  return (
    <Stack gap="xs">
      {made.map((one) => (
        <Checkbox
          key={one.id}
          label={one.text}
          description={Object.entries(one.judgements ?? {})
            .map(([key, grade]) => `${grade > 0 ? "✓" : "✗"} ${key}`)
            .join("  ")}
          checked={!left.has(one.id)}
          onChange={(event) => toggle(one.id, event.currentTarget.checked)}
        />
      ))}
    </Stack>
  );
}

/** One question for each different text, the newest word on a document counting; only those with a right document. */
export function questionsOf(given: readonly Given[]): NewQuestion[] {
  const found = new Map<string, Record<string, number>>();
  for (const one of [...given].reverse()) {
    if (one.document_key === null) continue;
    found.set(one.query, { ...found.get(one.query), [one.document_key]: one.rating > 0 ? 1 : 0 });
  }
  return [...found]
    .filter(([, judgements]) => Object.values(judgements).some((grade) => grade > 0))
    .map(([text, judgements], place) => ({ id: `f${place + 1}`, text, judgements }));
}
