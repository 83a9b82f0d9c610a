/** Who may read a document; an admin changes it. */
import { Alert, Button, Group, Paper, Radio, Stack, Text, Title } from "@mantine/core";
import { useState } from "react";
import { useDefaultReaders } from "@/api/collections";
import { type DocumentView, useChangeRights } from "@/api/documents";
import { useAllows } from "@/api/session";
import { GroupBadges, GroupsInput } from "@/components/Groups";
import { Loaded } from "@/components/Loaded";
import { useSpeech } from "@/i18n";

interface Props {
  collection: string;
  document: DocumentView;
}

export function Rights({ collection, document }: Props) {
  const { t } = useSpeech();
  const allows = useAllows();
  return (
    <Stack maw={680}>
      <Paper withBorder radius="md" p="md">
        <Title order={2} size="h5" mb={6}>
          {t("documents.readers")}
        </Title>
        {document.acl === null ? <Inherited collection={collection} /> : <GroupBadges groups={document.acl} />}
        <Text size="sm" c="dimmed" mt={6}>
          {t(document.acl === null ? "documents.readers-inherited" : "documents.readers-own")}
        </Text>
      </Paper>
      {allows("admin") && <Change key={JSON.stringify(document.acl)} collection={collection} document={document} />}
    </Stack>
  );
}

function Inherited({ collection }: { collection: string }) {
  return <Loaded query={useDefaultReaders(collection)}>{(groups) => <GroupBadges groups={groups} />}</Loaded>;
}

type Kind = "default" | "groups" | "nobody";

function Change({ collection, document }: Props) {
  const { t } = useSpeech();
  const change = useChangeRights(collection, document.key);
  const [kind, setKind] = useState<Kind>(kindOf(document.acl));
  const [groups, setGroups] = useState<string[]>(document.acl ?? []);
  const wanted = kind === "default" ? null : kind === "nobody" ? [] : groups;
  const unchanged = JSON.stringify(wanted && [...wanted].sort()) === JSON.stringify(document.acl);
  return (
    <Paper withBorder radius="md" p="md" component="form" onSubmit={(event) => event.preventDefault()}>
      <Stack>
        <Radio.Group label={t("documents.change-rights")} value={kind} onChange={(value) => setKind(value as Kind)}>
          <Stack gap="xs" mt="xs">
            <Radio value="default" label={t("documents.rights-default")} />
            <Radio value="groups" label={t("documents.rights-groups")} />
            <Radio value="nobody" label={t("documents.rights-nobody")} />
          </Stack>
        </Radio.Group>
        {kind === "groups" && (
          <GroupsInput label={t("groups.name")} hint={t("groups.hint")} value={groups} change={setGroups} />
        )}
        {document.source !== "api" && (
          <Alert color="yellow">{t("documents.rights-source", { source: document.source })}</Alert>
        )}
        <Group>
          <Button
            type="submit"
            disabled={unchanged || (kind === "groups" && groups.length === 0)}
            loading={change.isPending}
            onClick={() => change.mutate(wanted)}
          >
            {t("common.save")}
          </Button>
        </Group>
      </Stack>
    </Paper>
  );
}

function kindOf(acl: readonly string[] | null): Kind {
  if (acl === null) return "default";
  return acl.length === 0 ? "nobody" : "groups";
}
