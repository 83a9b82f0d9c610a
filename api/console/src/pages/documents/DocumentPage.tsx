/** One document: its text beside its passages, its former versions, who may read it, and why it is (not) found. */
import { Anchor, Badge, Button, Code, Group, Stack, Tabs, Text } from "@mantine/core";
import { Trash2 } from "lucide-react";
import { useState } from "react";
import { Link, useSearchParams } from "react-router";
import { useCollection } from "@/api/collections";
import { type DocumentView, useDocument } from "@/api/documents";
import { useAllows } from "@/api/session";
import { Empty } from "@/components/Empty";
import { Loaded } from "@/components/Loaded";
import { Page } from "@/components/Page";
import { Time } from "@/components/Time";
import { useParameter } from "@/hooks/parameters";
import { useSpeech } from "@/i18n";
import { Comparison } from "./Comparison";
import { useDeletion } from "./deletion";
import { useLanguageNames } from "./languages";
import { Passages } from "./Passages";
import { Rights } from "./Rights";
import { WhyFound } from "./WhyFound";

export default function DocumentPage() {
  const { t } = useSpeech();
  const collection = useCollection();
  const [parameters] = useSearchParams();
  const key = parameters.get("key");
  const [leaving, setLeaving] = useState(false);
  const document = useDocument(collection, key, leaving);
  const back = (
    <Button component={Link} to={`/c/${collection}/documents`} variant="default">
      {t("documents.all")}
    </Button>
  );
  if (key === null) return <Empty title={t("documents.none-named")} action={back} />;
  return (
    <Loaded query={document}>
      {(found) => <Shown key={key} collection={collection} document={found} back={back} leave={setLeaving} />}
    </Loaded>
  );
}

const TABS = [
  ["text", "read"],
  ["versions", "write"],
  ["rights", "read"],
  ["why", "read"],
] as const;

interface Props {
  collection: string;
  document: DocumentView;
  back: React.ReactNode;
  /** Hears that the document is being deleted, or that it was not after all. */
  leave: (leaving: boolean) => void;
}

function Shown({ collection, document, back, leave }: Props) {
  const { t } = useSpeech();
  const allows = useAllows();
  const remove = useDeletion(collection, document, leave);
  const [parameters, set] = useParameter();
  const asked = TABS.find(([name, right]) => name === parameters.get("tab") && allows(right))?.[0] ?? "text";
  const actions = (
    <>
      {back}
      {allows("write") && (
        <Button
          variant="default"
          c="red"
          leftSection={<Trash2 size={15} aria-hidden />}
          loading={remove.isPending}
          onClick={() => void remove.ask()}
        >
          {t("common.delete")}
        </Button>
      )}
    </>
  );
  return (
    <Page title={document.title || document.key} lead={<Facts document={document} />} actions={actions}>
      <Tabs value={asked} onChange={(tab) => set("tab", tab)} keepMounted={false}>
        <Tabs.List mb="md" aria-label={t("documents.parts")}>
          {TABS.filter(([, right]) => allows(right)).map(([name]) => (
            <Tabs.Tab key={name} value={name}>
              {t(`documents.tab-${name}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="text">
          <Passages document={document} span={spanIn(parameters)} />
        </Tabs.Panel>
        {allows("write") && (
          <Tabs.Panel value="versions">
            <Comparison collection={collection} document={document} />
          </Tabs.Panel>
        )}
        <Tabs.Panel value="rights">
          <Rights collection={collection} document={document} />
        </Tabs.Panel>
        <Tabs.Panel value="why">
          <WhyFound collection={collection} documentKey={document.key} />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}

function Facts({ document }: { document: DocumentView }) {
  const { t } = useSpeech();
  const nameOf = useLanguageNames();
  const metadata = Object.entries(document.metadata);
  return (
    <Stack gap={6} component="span" display="flex">
      <span>
        <Code>{document.key}</Code> · {document.table ? `${document.source} · ${document.table}` : document.source} ·{" "}
        {nameOf(document.language)} · {t("documents.version", { version: document.version })} · {t("documents.as-of")}{" "}
        <Time value={document.as_of} />
      </span>
      {document.uri && <Origin uri={document.uri} />}
      {metadata.length > 0 && (
        <Group gap={4} component="span">
          {metadata.map(([name, value]) => (
            <Badge key={name} variant="default" tt="none" fw={500} maw={360}>
              {name}: {typeof value === "string" ? value : JSON.stringify(value)}
            </Badge>
          ))}
        </Group>
      )}
    </Stack>
  );
}

/** Where it comes from; a link only where it leads to the web, since addresses are stored text too. */
function Origin({ uri }: { uri: string }) {
  if (!/^https?:\/\//i.test(uri)) return <Text component="span" size="sm">{uri}</Text>;
  return (
    <Anchor href={uri} target="_blank" rel="noreferrer noopener" size="sm" underline="always">
      {uri}
    </Anchor>
  );
}

/** The stretch that the address names; null where it names none. */
function spanIn(parameters: URLSearchParams): readonly [number, number] | null {
  const [start, end] = [Number(parameters.get("start") ?? NaN), Number(parameters.get("end") ?? NaN)];
  return Number.isInteger(start) && Number.isInteger(end) && 0 <= start && start < end ? [start, end] : null;
}
