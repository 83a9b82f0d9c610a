/** Makes a collection, or changes the settings of one. */
import { Button, Group, NumberInput, Stack, TagsInput, Textarea, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useNavigate } from "react-router";
import { api, call } from "@/api/client";
import type { Collection } from "@/api/collections";
import { Failure } from "@/components/Failure";
import { GroupsInput } from "@/components/Groups";
import { Drawer } from "@/components/overlays";
import { useAct } from "@/hooks/act";
import { useIsHere } from "@/hooks/here";
import { useSpeech } from "@/i18n";

export const NAME = /^[a-z0-9][a-z0-9_-]{0,62}$/;
const DEFAULT_TOKENS = 220;

export function CollectionDrawer({ of, close }: { of: Collection | "new"; close: () => void }) {
  const { t } = useSpeech();
  const title = of === "new" ? t("collections.create") : t("collections.settings-of", { name: of.name });
  return (
    <Drawer opened onClose={close} title={title} size="min(560px, 100vw)">
      <Form of={of} close={close} />
    </Drawer>
  );
}

function Form({ of, close }: { of: Collection | "new"; close: () => void }) {
  const { t } = useSpeech();
  const navigate = useNavigate();
  const isHere = useIsHere();
  const known = of === "new" ? null : of;
  const [name, setName] = useState(known?.name ?? "");
  const [readers, setReaders] = useState<readonly string[]>(known?.default_acl ?? ["everyone"]);
  const [tokens, setTokens] = useState<number | string>(known?.chunk_tokens ?? DEFAULT_TOKENS);
  const [dictionary, setDictionary] = useState<string[]>(known?.dictionary ?? []);
  const [synonyms, setSynonyms] = useState((known?.synonyms ?? []).map((words) => words.join(", ")).join("\n"));
  const settings = { default_acl: [...readers], dictionary, synonyms: groupsOf(synonyms) };
  const save = useAct({
    act: () =>
      known === null
        ? call(api.POST("/v1/collections", { body: { name, chunk_tokens: Number(tokens) || null, ...settings } }))
        : call(api.PATCH("/v1/collections/{collection}", { params: { path: { collection: known.name } }, body: settings })),
    done: (made) => t(known === null ? "collections.created" : "collections.saved", { name: made.name }),
    touches: [["collections"], ["overview"], ["content", name]],
    then: (made) => {
      if (!isHere()) return;
      close();
      if (known === null) void navigate(`/c/${made.name}/upload`);
    },
    quiet: true,
  });
  const misnamed = name !== "" && !NAME.test(name);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (name !== "" && !misnamed) save.mutate();
  };
  return (
    <form onSubmit={submit}>
      <Stack>
        {known === null && (
          <TextInput
            label={t("common.name")}
            description={t("collections.name-hint")}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            error={misnamed ? t("collections.name-wrong") : undefined}
            data-autofocus
            required
          />
        )}
        <GroupsInput label={t("collections.readers")} hint={t("collections.readers-hint")} value={readers} change={setReaders} />
        {known === null && (
          <NumberInput
            label={t("collections.tokens")}
            description={t("collections.tokens-hint")}
            value={tokens}
            onChange={setTokens}
            min={160}
            max={2048}
          />
        )}
        <TagsInput
          label={t("collections.dictionary")}
          description={t("collections.dictionary-hint")}
          value={dictionary}
          onChange={setDictionary}
          acceptValueOnBlur
        />
        <Textarea
          label={t("collections.synonyms")}
          description={t("collections.synonyms-hint")}
          placeholder={t("collections.synonyms-example")}
          value={synonyms}
          onChange={(event) => setSynonyms(event.currentTarget.value)}
          autosize
          minRows={2}
          maxRows={10}
        />
        {save.isError && <Failure error={save.error} />}
        <Group justify="flex-end">
          <Button variant="default" onClick={close}>
            {t("common.cancel")}
          </Button>
          <Button type="submit" loading={save.isPending}>
            {t(known === null ? "common.create" : "common.save")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** Lines of words that mean the same. */
function groupsOf(text: string): string[][] {
  const lines = text.split("\n").map((line) => line.split(/[,，、]/).map((word) => word.trim()));
  return lines.map((words) => words.filter((word) => word !== "")).filter((words) => words.length > 1);
}
