/** A new set: from files, typed, from feedback, or from passages one asks about. */
import { Alert, Button, Group, Stack, Tabs, Text, TextInput } from "@mantine/core";
import { FileUp, Keyboard, ScrollText, ThumbsUp } from "lucide-react";
import { type FormEvent, useState } from "react";
import { type NewQuestion, useCreateEvalSet } from "@/api/evaluation";
import { Failure } from "@/components/Failure";
import { Drawer } from "@/components/overlays";
import { useSpeech } from "@/i18n";
import { FromCorpus } from "./FromCorpus";
import { FromFeedback } from "./FromFeedback";
import { FromFiles } from "./FromFiles";
import { Typed } from "./Typed";

const NAME = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/;
const WAYS = [
  ["files", "eval.from-files", FileUp],
  ["typed", "eval.from-typed", Keyboard],
  ["feedback", "eval.from-feedback", ThumbsUp],
  ["corpus", "eval.from-corpus", ScrollText],
] as const;

interface Props {
  collection: string;
  opened: boolean;
  close: () => void;
  then: (name: string) => void;
}

export function NewSet({ collection, opened, close, then }: Props) {
  const { t } = useSpeech();
  return (
    <Drawer opened={opened} onClose={close} title={t("eval.new")}>
      <Form collection={collection} close={close} then={then} />
    </Drawer>
  );
}

function Form({ collection, close, then }: Omit<Props, "opened">) {
  const { t } = useSpeech();
  const [from, setFrom] = useState<string | null>("files");
  const [typed, setTyped] = useState<string | null>(null);
  const [queries, setQueries] = useState<readonly NewQuestion[]>([]);
  const [isWhole, setWhole] = useState(false); // all feedback, none of it unticked
  const name = typed ?? (from === "feedback" ? `feedback-${today()}` : "");
  const create = useCreateEvalSet(collection, (made) => {
    close();
    then(made);
  });
  const isNamed = NAME.test(name);
  const send = (event: FormEvent) => {
    event.preventDefault();
    create.mutate(from === "feedback" && isWhole ? { name } : { name, queries: [...queries] });
  };
  const change = (made: readonly NewQuestion[]) => setQueries(made);
  const changeRated = (made: readonly NewQuestion[], isAll: boolean) => {
    setQueries(made);
    setWhole(isAll);
  };
  const choose = (chosen: string | null) => {
    setQueries([]);
    setFrom(chosen);
  };
  return (
    <Stack>
      <form onSubmit={send} id="new-set">
        <TextInput
          label={t("common.name")}
          description={t("eval.name-hint")}
          value={name}
          onChange={(event) => setTyped(event.currentTarget.value)}
          error={name !== "" && !isNamed ? t("eval.name-wrong") : undefined}
          required
          data-autofocus
        />
      </form>
      <Tabs value={from} keepMounted={false} onChange={choose}>
        <Tabs.List mb="md" aria-label={t("eval.ways")}>
          {WAYS.map(([way, label, Icon]) => (
            <Tabs.Tab key={way} value={way} leftSection={<Icon size={15} aria-hidden />}>
              {t(label)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="files">
          <FromFiles change={change} />
        </Tabs.Panel>
        <Tabs.Panel value="typed">
          <Typed collection={collection} change={change} />
        </Tabs.Panel>
        <Tabs.Panel value="feedback">
          <FromFeedback collection={collection} change={changeRated} />
        </Tabs.Panel>
        <Tabs.Panel value="corpus">
          <FromCorpus collection={collection} change={change} />
        </Tabs.Panel>
      </Tabs>
      {create.isError && <Failure error={create.error} />}
      <Group justify="space-between">
        <Text size="sm" c="dimmed" role="status">
          {t("eval.ready", { count: queries.length })}
        </Text>
        <Button type="submit" form="new-set" disabled={!isNamed || queries.length === 0} loading={create.isPending}>
          {t("eval.create")}
        </Button>
      </Group>
      {!isNamed && queries.length > 0 && (
        <Alert color="blue" py="xs">
          {t("eval.name-needed")}
        </Alert>
      )}
    </Stack>
  );
}

/** The person's day as YYYY-MM-DD, which is how Swedish writes it. */
function today(): string {
  return new Date().toLocaleDateString("sv-SE");
}
