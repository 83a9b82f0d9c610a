/** A set typed in: a question, and a mark at each document that answers it. */
import { ActionIcon, Button, Checkbox, Group, Paper, Stack, Text, TextInput } from "@mantine/core";
import { useDebouncedValue } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { Plus, Trash2 } from "lucide-react";
import { useState } from "react";
import { api, call } from "@/api/client";
import type { NewQuestion } from "@/api/evaluation";
import { useSpeech } from "@/i18n";

const PAUSE_MS = 350; // of typing, before what was typed is searched
const OFFERED = 8; // documents

interface Props {
  collection: string;
  change: (queries: readonly NewQuestion[]) => void;
}

export function Typed({ collection, change }: Props) {
  const { t } = useSpeech();
  const [made, setMade] = useState<readonly NewQuestion[]>([]);
  const [added, setAdded] = useState(0); // counts on when one is dropped: no two have the same id
  const keep = (queries: readonly NewQuestion[]) => {
    setMade(queries);
    change(queries);
  };
  const add = (text: string, right: readonly string[]) => {
    keep([...made, question(added + 1, text, right)]);
    setAdded(added + 1);
  };
  return (
    <Stack gap="sm">
      <Text size="sm">{t("eval.typed-lead")}</Text>
      <OneQuestion key={added} collection={collection} add={add} />
      <MadeQuestions made={made} drop={(id) => keep(made.filter((one) => one.id !== id))} />
    </Stack>
  );
}

function OneQuestion({ collection, add }: { collection: string; add: (text: string, right: readonly string[]) => void }) {
  const { t } = useSpeech();
  const [text, setText] = useState("");
  const [right, setRight] = useState<readonly string[]>([]);
  const [asked] = useDebouncedValue(text.trim(), PAUSE_MS);
  const found = useQuery({
    queryKey: ["content", collection, "eval-candidates", asked],
    queryFn: async ({ signal }) => {
      const body = { collection, query: asked, top_k: OFFERED, min_seq: 0, group_by: "document", highlight: false, explain: false } as const;
      return (await call(api.POST("/v1/search", { body, signal }))).hits;
    },
    enabled: asked !== "",
  });
  const toggle = (key: string, is: boolean) => setRight(is ? [...right, key] : right.filter((one) => one !== key));
  const hits = found.data ?? [];
  return (
    <Paper withBorder radius="md" p="sm">
      <Stack gap="xs">
        <TextInput label={t("eval.question")} value={text} onChange={(event) => setText(event.currentTarget.value)} />
        {hits.length > 0 && (
          <Stack gap={6} role="group" aria-label={t("eval.which-answer")}>
            <Text size="xs" c="dimmed">
              {t("eval.which-answer")}
            </Text>
            {hits.map((hit) => (
              <Checkbox
                key={hit.key}
                size="sm"
                label={hit.title || hit.key}
                description={hit.text.slice(0, 140)}
                checked={right.includes(hit.key)}
                onChange={(event) => toggle(hit.key, event.currentTarget.checked)}
              />
            ))}
          </Stack>
        )}
        {asked !== "" && found.isSuccess && hits.length === 0 && (
          <Text size="sm" c="dimmed">
            {t("eval.nothing-found")}
          </Text>
        )}
        <Group justify="flex-end">
          <Button
            size="xs"
            variant="light"
            leftSection={<Plus size={14} aria-hidden />}
            disabled={text.trim() === "" || right.length === 0}
            onClick={() => add(text.trim(), right)}
          >
            {t("eval.add-question")}
          </Button>
        </Group>
      </Stack>
    </Paper>
  );
}

/** What the set holds so far. */
function MadeQuestions({ made, drop }: { made: readonly NewQuestion[]; drop: (id: string) => void }) {
  const { t } = useSpeech();
  return (
    <Stack gap={4} role="list" aria-label={t("eval.questions")}>
      {made.map((one) => (
        <Group key={one.id} justify="space-between" wrap="nowrap" role="listitem">
          <Text size="sm">
            {one.text}{" "}
            <Text component="span" size="xs" c="dimmed">
              {Object.keys(one.judgements ?? {}).join(", ")}
            </Text>
          </Text>
          <ActionIcon variant="subtle" color="gray" onClick={() => drop(one.id)} aria-label={t("eval.drop", { text: one.text })}>
            <Trash2 size={15} aria-hidden />
          </ActionIcon>
        </Group>
      ))}
    </Stack>
  );
}

export function question(number: number, text: string, right: readonly string[]): NewQuestion {
  return { id: `q${number}`, text, judgements: Object.fromEntries(right.map((key) => [key, 1])) };
}
