/** A set from the corpus: some passages are shown, and one asks about each what a reader would ask. */
import { Button, Group, Paper, Stack, Text, TextInput } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Shuffle } from "lucide-react";
import { useState } from "react";
import { api, call } from "@/api/client";
import type { NewQuestion } from "@/api/evaluation";
import { Empty } from "@/components/Empty";
import { Loaded } from "@/components/Loaded";
import { useSpeech } from "@/i18n";
import { question } from "./Typed";

const SHOWN = 10; // documents at once
const AMONG = 1000; // documents that they are drawn from
const CHARACTERS = 420;

interface Drawn {
  readonly keys: readonly string[]; // of all drawn documents of this text: each of them is a right one
  readonly title: string;
  readonly text: string;
}

interface Props {
  collection: string;
  change: (queries: readonly NewQuestion[]) => void;
}

export function FromCorpus({ collection, change }: Props) {
  const { t } = useSpeech();
  const [round, setRound] = useState(0);
  const [asked, setAsked] = useState<ReadonlyMap<string, string>>(new Map()); // by keys, one a line
  const drawn = useQuery({ queryKey: ["drawn", collection, round], queryFn: () => draw(collection), staleTime: Infinity });
  const write = (keys: string, text: string) => {
    const now = new Map(asked).set(keys, text);
    setAsked(now);
    const written = [...now].filter(([, one]) => one.trim() !== "");
    change(written.map(([documents, one], place) => question(place + 1, one.trim(), documents.split("\n"))));
  };
  return (
    <Stack gap="sm">
      <Text size="sm">{t("eval.corpus-lead")}</Text>
      <Loaded query={drawn}>
        {(documents) =>
          documents.length === 0 ? (
            <Empty title={t("eval.corpus-empty")} />
          ) : (
            <Stack gap="sm">
              {documents.map((one) => (
                <Paper key={one.keys.join("\n")} withBorder radius="md" p="sm">
                  <Text size="sm" fw={600}>
                    {one.title || one.keys[0]}
                  </Text>
                  <Text size="xs" c="dimmed" mb="xs">
                    {one.text.slice(0, CHARACTERS)}
                  </Text>
                  <TextInput
                    size="sm"
                    aria-label={t("eval.ask-about", { title: one.title || one.keys[0] || "" })}
                    placeholder={t("eval.ask-placeholder")}
                    value={asked.get(one.keys.join("\n")) ?? ""}
                    onChange={(event) => write(one.keys.join("\n"), event.currentTarget.value)}
                  />
                </Paper>
              ))}
            </Stack>
          )
        }
      </Loaded>
      <Group justify="flex-end">
        <Button size="xs" variant="default" leftSection={<Shuffle size={14} aria-hidden />} onClick={() => setRound(round + 1)}>
          {t("eval.others")}
        </Button>
      </Group>
    </Stack>
  );
}

/** Some documents at random, as far as the caller may read them; equal ones are one. */
async function draw(collection: string): Promise<Drawn[]> {
  const path = { collection };
  const listed = await call(api.GET("/v1/collections/{collection}/documents", { params: { path, query: { limit: AMONG } } }));
  const keys = listed.documents.map((one) => one.key);
  for (let place = keys.length - 1; place > 0; place -= 1) {
    const other = Math.floor(Math.random() * (place + 1));
    [keys[place], keys[other]] = [keys[other] as string, keys[place] as string];
  }
  const chosen = keys.slice(0, SHOWN);
  const read = await Promise.all(
    chosen.map(async (key) => {
      const params = { path: { collection, key } };
      const { title, text } = await call(api.GET("/v1/collections/{collection}/documents/{key}", { params }));
      return { key, title, text };
    }),
  );
  const apart = new Map<string, Drawn>();
  for (const { key, title, text } of read) {
    const same = `${title}\n${text}`;
    apart.set(same, { keys: [...(apart.get(same)?.keys ?? []), key], title, text });
  }
  return [...apart.values()];
}
