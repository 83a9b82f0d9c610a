/** Builds another generation: another encoder, other lengths of passages, other words. */
import { Alert, Button, Group, NumberInput, Select, Stack, Switch, TagsInput, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useEvalSets } from "@/api/evaluation";
import { type Generation, useBuildGeneration, useModules } from "@/api/models";
import { Failure } from "@/components/Failure";
import { Drawer } from "@/components/overlays";
import { useSpeech } from "@/i18n";

interface Props {
  collection: string;
  opened: boolean;
  close: () => void;
  serving: Generation | undefined;
}

export function BuildForm({ collection, opened, close, serving }: Props) {
  const { t } = useSpeech();
  return (
    <Drawer opened={opened} onClose={close} title={t("models.build")}>
      {serving && <Form collection={collection} close={close} serving={serving} />}
    </Drawer>
  );
}

function Form({ collection, close, serving }: { collection: string; close: () => void; serving: Generation }) {
  const { t } = useSpeech();
  const sets = useEvalSets(collection).data ?? [];
  const encoders = (useModules().data ?? []).filter((one) => one.kind === "encoder").map((one) => one.name);
  const [encoder, setEncoder] = useState(serving.encoder);
  const [tokens, setTokens] = useState(serving.chunk_tokens);
  const [dictionary, setDictionary] = useState<string[]>(serving.dictionary);
  const [evalSet, setEvalSet] = useState("");
  const [activate, setActivate] = useState(true);
  const build = useBuildGeneration(collection, close);
  const send = (event: FormEvent) => {
    event.preventDefault();
    build.mutate({
      encoder,
      chunk_tokens: tokens,
      dictionary,
      synonyms: null,
      eval_set: evalSet,
      activate,
      force: false,
      apart: true,
    });
  };
  return (
    <form onSubmit={send}>
      <Stack>
        <Text size="sm">{t("models.build-lead")}</Text>
        <TextInput
          label={t("models.encoder")}
          description={t("models.encoder-hint", { names: encoders.join(", ") })}
          value={encoder}
          onChange={(event) => setEncoder(event.currentTarget.value)}
          data-autofocus
        />
        <NumberInput
          label={t("models.passages")}
          description={t("models.passages-hint")}
          min={160}
          max={2048}
          value={tokens}
          onChange={(value) => setTokens(Number(value) || serving.chunk_tokens)}
        />
        <TagsInput label={t("models.dictionary")} description={t("models.dictionary-hint")} value={dictionary} onChange={setDictionary} />
        {sets.length > 0 ? (
          <Select
            label={t("models.proof")}
            description={t("models.proof-hint")}
            data={[...(sets.length === 1 ? [{ value: "", label: t("tune.only-set") }] : []), ...sets.map((one) => one.name)]}
            value={evalSet}
            onChange={(value) => setEvalSet(value ?? "")}
            allowDeselect={false}
          />
        ) : (
          <Alert color="yellow">{t("models.no-proof")}</Alert>
        )}
        <Switch
          label={t("models.activate-label")}
          description={t("models.activate-hint")}
          checked={activate}
          onChange={(event) => setActivate(event.currentTarget.checked)}
        />
        {build.isError && <Failure error={build.error} />}
        <Group justify="flex-end">
          <Button type="submit" loading={build.isPending} disabled={sets.length > 1 && evalSet === ""}>
            {t("models.build-go")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
