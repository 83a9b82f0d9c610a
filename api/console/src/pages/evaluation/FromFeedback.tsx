/** A set from what people said of results: a document is right where more thumbs are up than down, wrong where fewer. */
import { Alert, Checkbox, Stack, Text } from "@mantine/core";
import { useEffect, useMemo, useState } from "react";
import { type NewQuestion, useFeedback } from "@/api/evaluation";
import { Loaded } from "@/components/Loaded";
import { useSpeech } from "@/i18n";

interface Given {
  readonly principal: string;
  readonly query: string;
  readonly document_key: string | null;
  readonly rating: number;
}

interface Props {
  collection: string;
  /** `isWhole`: nothing was unticked. */
  change: (queries: readonly NewQuestion[], isWhole: boolean) => void;
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
  const [left, setLeft] = useState<ReadonlySet<string>>(new Set()); // texts
  useEffect(() => {
    const kept = made.filter((one) => !left.has(one.text));
    change(kept, kept.length === made.length);
  }, [made, left]);
  if (made.length === 0) return <Alert color="blue">{t("eval.feedback-empty")}</Alert>;
  const toggle = (text: string, is: boolean) =>
    setLeft(new Set(is ? [...left].filter((one) => one !== text) : [...left, text]));
  return (
    <Stack gap="xs">
      {made.map((one) => (
        <Checkbox
          key={one.id}
          label={one.text}
          description={Object.entries(one.judgements ?? {})
            .map(([key, grade]) => `${grade > 0 ? "✓" : "✗"} ${key}`)
            .join("  ")}
          checked={!left.has(one.text)}
          onChange={(event) => toggle(one.text, event.currentTarget.checked)}
        />
      ))}
    </Stack>
  );
}

/**
 * The questions that the server would make of `given` (newest first): equal words are one question, each person's newest
 * word on a document is summed up with the others', and only those with a right document count.
 */
function questionsOf(given: readonly Given[]): NewQuestion[] {
  const spelled = new Map<string, string>(); // as it was first asked
  const votes = new Map<string, Map<string, Map<string, number>>>(); // by words, document and person
  for (const { principal, query, document_key: key, rating } of [...given].reverse()) {
    if (key === null) continue;
    const text = query.trim().replace(/\s+/g, " ");
    const words = text.toLowerCase();
    if (!spelled.has(words)) spelled.set(words, text);
    const documents = votes.get(words) ?? new Map<string, Map<string, number>>();
    votes.set(words, documents.set(key, (documents.get(key) ?? new Map<string, number>()).set(principal, rating)));
  }
  return [...votes]
    .map(([words, documents]) => ({ text: spelled.get(words) ?? words, judgements: judged(documents) }))
    .filter(({ judgements }) => Object.values(judgements).some((grade) => grade > 0))
    .map((one, place) => ({ id: `f${place + 1}`, ...one }));
}

/** A document of which as many say that it helped as that it did not is left out. */
function judged(documents: ReadonlyMap<string, ReadonlyMap<string, number>>): Record<string, number> {
  const sums = [...documents].map(([key, people]) => [key, [...people.values()].reduce((sum, one) => sum + one, 0)] as const);
  return Object.fromEntries(sums.filter(([, sum]) => sum !== 0).map(([key, sum]) => [key, sum > 0 ? 1 : 0]));
}
