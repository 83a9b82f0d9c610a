/** Evaluation: the sets of a collection with their newest run; new ones are imported, typed, or made from what people said. */
import { Anchor, Button, Group, Paper, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { useQueries } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { Link, useNavigate } from "react-router";
import { api, call } from "@/api/client";
import { useCollection } from "@/api/collections";
import { type EvalRun, type EvalSet, useEvalSets } from "@/api/evaluation";
import { useAllows } from "@/api/session";
import { type Column, DataTable } from "@/components/DataTable";
import { Empty } from "@/components/Empty";
import { Loaded } from "@/components/Loaded";
import { Page } from "@/components/Page";
import { Time } from "@/components/Time";
import { useIsHere } from "@/hooks/here";
import { useSpeech } from "@/i18n";
import { Measured, RunChange } from "./parts";
import { NewSet } from "./NewSet";

export default function Evaluation() {
  const { t } = useSpeech();
  const collection = useCollection();
  const sets = useEvalSets(collection);
  const allows = useAllows();
  const navigate = useNavigate();
  const isHere = useIsHere();
  const [opened, dialog] = useDisclosure(false);
  const create = allows("write") && (
    <Button leftSection={<Plus size={16} aria-hidden />} onClick={dialog.open}>
      {t("eval.new")}
    </Button>
  );
  return (
    <Page title={t("page.evaluation")} lead={t("eval.lead")} actions={create}>
      <Loaded query={sets}>
        {(found) =>
          found.length === 0 ? (
            <Empty title={t("eval.empty")} action={create}>
              {t(allows("write") ? "eval.empty-text" : "eval.empty-right")}
            </Empty>
          ) : (
            <Sets collection={collection} sets={found} />
          )
        }
      </Loaded>
      <NewSet
        collection={collection}
        opened={opened}
        close={dialog.close}
        then={(name) => isHere() && void navigate(`/c/${collection}/evaluation/${encodeURIComponent(name)}`)}
      />
    </Page>
  );
}

function Sets({ collection, sets }: { collection: string; sets: readonly EvalSet[] }) {
  const { t, language } = useSpeech();
  const newest = useNewestRuns(collection, sets);
  const columns: Column<EvalSet>[] = [
    {
      head: t("common.name"),
      long: true,
      cell: (one) => (
        <Anchor component={Link} to={`/c/${collection}/evaluation/${encodeURIComponent(one.name)}`} fw={600}>
          {one.name}
        </Anchor>
      ),
    },
    { head: t("eval.questions"), numeric: true, cell: (one) => one.queries.toLocaleString(language) },
    { head: t("eval.quality"), cell: (one) => <Quality run={newest.get(one.name)} />, width: 230 },
    {
      head: t("eval.since-before"),
      cell: (one) => {
        const run = newest.get(one.name);
        return run ? <RunChange change={run.change} /> : "–";
      },
    },
    { head: t("eval.last-run"), cell: (one) => <Time value={newest.get(one.name)?.at} /> },
  ];
  return (
    <Paper withBorder radius="md" p="md">
      <DataTable name={t("eval.sets")} columns={columns} rows={sets} rowKey={(one) => one.name} />
    </Paper>
  );
}

function Quality({ run }: { run: EvalRun | undefined }) {
  const { t } = useSpeech();
  if (!run) return <Text size="sm" c="dimmed">{t("eval.not-run")}</Text>;
  return (
    <Group gap="xs" wrap="nowrap">
      <Measured run={run} metric="ndcg@10" />
    </Group>
  );
}

/** The newest run of each set. */
function useNewestRuns(collection: string, sets: readonly EvalSet[]): ReadonlyMap<string, EvalRun> {
  const asked = useQueries({
    queries: sets.map(({ name }) => ({
      queryKey: ["eval-runs", collection, name, "newest"],
      queryFn: async () => {
        const params = { path: { name }, query: { collection, limit: 1 } };
        return ((await call(api.GET("/v1/eval-sets/{name}/runs", { params }))).runs[0] ?? null) as EvalRun | null;
      },
    })),
  });
  return new Map(sets.flatMap(({ name }, place) => (asked[place]?.data ? [[name, asked[place].data] as const] : [])));
}
