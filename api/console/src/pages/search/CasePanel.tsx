/** What was judged, what is missing, and the set it is saved into as an evaluation case. */
import { Autocomplete, Button, CloseButton, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { type Dispatch, type FormEvent, type SetStateAction, useState } from "react";
import { useSaveCase, useSetNames } from "@/api/evalCases";
import { DocumentChoice } from "@/components/DocumentChoice";
import { type PlainKey, useSpeech } from "@/i18n";
import type { Grades } from "./grades";

const FIRST_SET = "search-lab";
const SET_NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;

interface Props {
  collection: string;
  query: string;
  grades: Grades;
  change: Dispatch<SetStateAction<Grades>>;
}

export function CasePanel({ collection, query, grades, change }: Props) {
  const { t } = useSpeech();
  const sets = useSetNames(collection).data ?? [];
  const [typed, setTyped] = useState<string | null>(null);
  const set = typed ?? sets[0] ?? FIRST_SET;
  const save = useSaveCase(collection, () => change({}));
  const judged = Object.entries(grades);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    save.mutate({ set, text: query, judgements: Object.fromEntries(judged.map(([key, one]) => [key, one.grade])) });
  };
  const missing = (key: string, title: string) =>
    change((former) => ({ ...former, [key]: { grade: 1, title, missing: true } }));
  return (
    <Paper withBorder radius="md" p="md" component="form" onSubmit={submit} aria-label={t("search.case")}>
      <Stack gap="sm">
        <div>
          <Title order={2} size="h5">
            {t("search.case")}
          </Title>
          <Text size="sm" c="dimmed">
            {t("search.case-text")}
          </Text>
        </div>
        {judged.length > 0 && (
          <Stack gap={4} component="ul" m={0} pl={0}>
            {judged.map(([key, one]) => (
              <Group key={key} component="li" gap={6} wrap="nowrap">
                <Text size="sm" fw={600} c={one.grade === 1 ? "green" : "red"} w={90}>
                  {t(kindOf(one))}
                </Text>
                <Text size="sm" flex={1}>
                  {one.title || key}{" "}
                  <Text span size="xs" c="dimmed">
                    {key}
                  </Text>
                </Text>
                <CloseButton
                  size="sm"
                  aria-label={t("search.take-back", { title: one.title || key })}
                  onClick={() => change(({ [key]: _, ...rest }) => rest)}
                />
              </Group>
            ))}
          </Stack>
        )}
        <Group align="flex-end" gap="sm">
          <DocumentChoice collection={collection} label={t("search.missing")} choose={missing} />
          <Autocomplete
            label={t("search.set")}
            data={sets}
            value={set}
            onChange={setTyped}
            error={SET_NAME.test(set) ? undefined : t("search.set-name")}
            w={220}
          />
          <Button type="submit" disabled={judged.length === 0 || !SET_NAME.test(set)} loading={save.isPending}>
            {t("search.case-save")}
          </Button>
        </Group>
      </Stack>
    </Paper>
  );
}

function kindOf(one: Grades[string]): PlainKey {
  if (one.missing) return "search.is-missing";
  return one.grade === 1 ? "search.is-right" : "search.is-wrong";
}
