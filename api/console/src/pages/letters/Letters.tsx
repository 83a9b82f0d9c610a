/** Dead letters: what could not become a document, why, and what to do about it. */
import { Alert, Anchor, Button, Group, Progress, Select, Stack, Text } from "@mantine/core";
import { RotateCcw, Trash2 } from "lucide-react";
import { useEffect, useState } from "react";
import { useSearchParams } from "react-router";
import { useCollection } from "@/api/collections";
import { type Letter, type Outcome, useDropAll, useLetters, useReplayAll } from "@/api/letters";
import { useOverview } from "@/api/overview";
import { type Column, DataTable } from "@/components/DataTable";
import { Empty } from "@/components/Empty";
import { Loaded } from "@/components/Loaded";
import { Page } from "@/components/Page";
import { Pager } from "@/components/Pager";
import { Time } from "@/components/Time";
import { useConfirm } from "@/components/confirm";
import { useSpeech } from "@/i18n";
import { LetterDrawer } from "./LetterDrawer";

const REASON_SHOWN = 160; // characters

export default function Letters() {
  const { t } = useSpeech();
  const collection = useCollection();
  const [parameters, setParameters] = useSearchParams();
  const source = parameters.get("source") ?? undefined;
  const [round, setRound] = useState(0); // after each act on all of them the list begins at its first page
  const { query, ...pages } = useLetters(collection, source, round);
  const emptied = query.data?.dead_letters.length === 0 && !query.isPlaceholderData;
  useEffect(() => {
    if (emptied) pages.previous?.(); // all of this page were settled or dropped
  }, [emptied, pages.number]);
  const [shown, setShown] = useState<number | null>(null);
  const [outcome, setOutcome] = useState<Outcome | null>(null);
  const counts = useCounts(collection);
  const total = source === undefined ? counts.all : (counts.by.get(source) ?? 0);
  const choose = (name: string | null) => setParameters(name ? { source: name } : {}, { replace: true });
  return (
    <Page
      title={t("page.letters")}
      lead={t("letters.lead")}
      actions={<Acts collection={collection} source={source} total={total} told={setOutcome} done={() => setRound(round + 1)} />}
    >
      {outcome && <Told outcome={outcome} close={() => setOutcome(null)} />}
      <Group justify="space-between">
        <Select
          aria-label={t("letters.of-source")}
          placeholder={t("letters.every-source")}
          data={sourcesOf(counts.by, source)}
          value={source ?? null}
          onChange={choose}
          clearable
          clearButtonProps={{ "aria-label": t("letters.every-source") }}
          w={320}
        />
        <Text size="sm" c="dimmed" role="status">
          {t("letters.count", { count: total })}
        </Text>
      </Group>
      <Loaded query={query}>
        {(page) =>
          page.dead_letters.length === 0 && pages.number === 1 ? (
            <Empty title={t("letters.empty")}>{t("letters.empty-text")}</Empty>
          ) : (
            <Stack gap="sm">
              <List letters={page.dead_letters} open={setShown} />
              <Pager {...pages} />
            </Stack>
          )
        }
      </Loaded>
      <LetterDrawer collection={collection} id={shown} close={() => setShown(null)} />
    </Page>
  );
}

function List({ letters, open }: { letters: readonly Letter[]; open: (id: number) => void }) {
  const { t } = useSpeech();
  const columns: Column<Letter>[] = [
    {
      head: t("common.key"),
      cell: (one) => (
        <Anchor component="button" type="button" ta="left" fw={600} onClick={() => open(one.id)}>
          {one.key}
        </Anchor>
      ),
      width: "30%",
      long: true,
    },
    { head: t("common.reason"), cell: (one) => cut(one.reason), width: "38%", long: true },
    { head: t("common.source"), cell: (one) => one.source },
    { head: t("sources.when"), cell: (one) => <Time value={one.at} /> },
  ];
  return <DataTable name={t("page.letters")} columns={columns} rows={letters} rowKey={(one) => one.id} leastWidth={760} />;
}

interface ActsProps {
  collection: string;
  source: string | undefined;
  total: number;
  told: (outcome: Outcome | null) => void;
  done: () => void;
}

function Acts({ collection, source, total, told, done }: ActsProps) {
  const { t } = useSpeech();
  const confirm = useConfirm();
  const replay = useReplayAll(collection, source);
  const drop = useDropAll(collection, source);
  if (total === 0 && !replay.isPending) return null;
  const of = source ?? collection;
  const dropAll = async () => {
    const question = { title: t("letters.drop-all-title", { count: total, of }), body: t("letters.drop-text") };
    if (await confirm({ ...question, action: t("letters.drop-all"), danger: true })) drop.mutate(undefined, { onSuccess: done });
  };
  const replayAll = () => {
    told(null);
    const settled = (outcome: Outcome) => {
      told(outcome);
      done();
    };
    replay.mutate(undefined, { onSuccess: settled });
  };
  return (
    <Stack gap={6} align="stretch">
      <Group gap="xs" justify="flex-end">
        <Button leftSection={<RotateCcw size={16} aria-hidden />} loading={replay.isPending} onClick={replayAll}>
          {t("letters.replay-all")}
        </Button>
        <Button
          variant="outline"
          color="red"
          leftSection={<Trash2 size={16} aria-hidden />}
          loading={drop.isPending}
          onClick={() => void dropAll()}
        >
          {t("letters.drop-all")}
        </Button>
      </Group>
      {replay.isPending && (
        <Progress
          value={total === 0 ? 100 : (replay.progress / Math.max(total, replay.progress)) * 100}
          animated
          aria-label={t("letters.replaying", { done: replay.progress, total })}
        />
      )}
    </Stack>
  );
}

/** What a replay of many came to. */
function Told({ outcome, close }: { outcome: Outcome; close: () => void }) {
  const { t } = useSpeech();
  const { replayed, failed, failures } = outcome;
  return (
    <Alert
      color={failed === 0 ? "green" : replayed === 0 ? "red" : "yellow"}
      title={t("letters.outcome", { replayed, failed })}
      withCloseButton
      onClose={close}
      closeButtonLabel={t("common.close")}
      role="status"
    >
      {failures.slice(0, 5).map((one) => (
        <Text size="sm" key={one.id}>
          {one.key}: {cut(one.reason)}
        </Text>
      ))}
      {failed > 0 && <Text size="sm">{t("letters.outcome-more")}</Text>}
    </Alert>
  );
}

function useCounts(collection: string) {
  const sources = (useOverview().data?.sources ?? []).filter((one) => one.collection === collection);
  const by = new Map(sources.filter((one) => one.dead_letters > 0).map((one) => [one.name, one.dead_letters]));
  return { by, all: [...by.values()].reduce((sum, one) => sum + one, 0) };
}

function sourcesOf(by: ReadonlyMap<string, number>, chosen: string | undefined) {
  const names = new Set([...by.keys(), ...(chosen === undefined ? [] : [chosen])]);
  return [...names].sort().map((name) => ({ value: name, label: by.has(name) ? `${name} (${by.get(name)})` : name }));
}

function cut(text: string): string {
  return text.length > REASON_SHOWN ? `${text.slice(0, REASON_SHOWN)}…` : text;
}
