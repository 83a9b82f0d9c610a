/** Former versions, each compared with what the document says now, and brought back where that is wanted. */
import { Badge, Button, Group, Paper, Radio, Stack, Text, Title } from "@mantine/core";
import { useMemo, useState } from "react";
import { type DocumentView, type Former, useRestore, useVersion, useVersions } from "@/api/documents";
import { Columns } from "@/components/Columns";
import { Empty } from "@/components/Empty";
import { Loaded } from "@/components/Loaded";
import { Time } from "@/components/Time";
import { useConfirm } from "@/components/confirm";
import { useSpeech } from "@/i18n";
import { difference } from "@/lib/diff";
import frame from "@/components/SourceText.module.css";
import classes from "./Comparison.module.css";

interface Props {
  collection: string;
  document: DocumentView;
}

export function Comparison({ collection, document }: Props) {
  const { t } = useSpeech();
  const versions = useVersions(collection, document.key);
  return (
    <Loaded query={versions}>
      {(found) =>
        found.length === 0 ? (
          <Empty title={t("documents.no-versions")}>{t("documents.no-versions-text")}</Empty>
        ) : (
          <Chosen collection={collection} document={document} versions={found} />
        )
      }
    </Loaded>
  );
}

function Chosen({ collection, document, versions }: Props & { versions: readonly Former[] }) {
  const { t } = useSpeech();
  const confirm = useConfirm();
  const restore = useRestore(collection);
  const [wanted, setWanted] = useState<number | null>(null);
  const chosen = versions.find((one) => one.version === wanted) ?? versions[0];
  const version = useVersion(collection, document.key, chosen?.version ?? null);
  if (!chosen) return null;
  const bringBack = async () => {
    const number = { version: chosen.version };
    const agreed = await confirm({
      title: t("documents.restore-ask", { ...number, title: document.title || document.key }),
      body: t("documents.restore-text"),
      action: t("documents.restore"),
    });
    if (agreed) restore.mutate({ key: document.key, version: chosen.version });
  };
  return (
    <Stack>
      <Radio.Group
        value={String(chosen.version)}
        onChange={(value) => setWanted(Number(value))}
        label={t("documents.compare-which")}
        description={t("documents.compare-hint")}
      >
        <Stack gap={6} mt="xs">
          {versions.map((one) => (
            <Radio
              key={one.version}
              value={String(one.version)}
              label={
                <>
                  {t("documents.version", { version: one.version })} · {one.title || t("common.untitled")} ·{" "}
                  {t("documents.as-of")} <Time value={one.as_of} />, {t("documents.replaced")} <Time value={one.replaced_at} />
                </>
              }
            />
          ))}
        </Stack>
      </Radio.Group>
      <Loaded query={version}>
        {(former) => (
          <Paper withBorder radius="md" p="md">
            <Group justify="space-between" mb="sm">
              <Title order={2} size="h5">
                {t("documents.difference", { version: chosen.version })}
              </Title>
              <Button size="xs" variant="default" loading={restore.isPending} onClick={() => void bringBack()}>
                {t("documents.restore-version", { version: chosen.version })}
              </Button>
            </Group>
            <Fields former={former} document={document} />
            <Difference before={former.text ?? ""} after={document.text} />
          </Paper>
        )}
      </Loaded>
    </Stack>
  );
}

/** What differs beside the text. */
function Fields({ former, document }: { former: Former; document: DocumentView }) {
  const { t } = useSpeech();
  const rows = [
    { name: t("common.title"), before: former.title, after: document.title },
    { name: t("documents.metadata"), before: JSON.stringify(former.metadata), after: JSON.stringify(document.metadata) },
    { name: t("documents.readers"), before: former.acl?.join(", ") ?? "", after: document.acl?.join(", ") ?? "" },
  ].filter((row) => row.before !== row.after);
  if (rows.length === 0) return null;
  return (
    <Stack gap={4} mb="sm">
      {rows.map((row) => (
        <Columns key={row.name} least={280}>
          <Text size="sm">
            <Badge variant="default" tt="none" mr={6}>
              {row.name}
            </Badge>
            <del className={classes.gone}>{row.before || "–"}</del> <ins className={classes.new}>{row.after || "–"}</ins>
          </Text>
        </Columns>
      ))}
    </Stack>
  );
}

function Difference({ before, after }: { before: string; after: string }) {
  const { t } = useSpeech();
  const changes = useMemo(() => difference(before, after), [before, after]);
  if (changes.every((change) => change.kind === "same")) return <Text size="sm">{t("documents.same-text")}</Text>;
  return (
    <pre className={frame.text} style={{ maxHeight: "60vh" }} tabIndex={0} role="region" aria-label={t("documents.difference-label")}>
      {changes.map((change, place) => {
        if (change.kind === "same") return <span key={place}>{change.text}</span>;
        const Tag = change.kind === "gone" ? "del" : "ins";
        return (
          <Tag key={place} className={change.kind === "gone" ? classes.gone : classes.new}>
            {change.text}
          </Tag>
        );
      })}
    </pre>
  );
}
