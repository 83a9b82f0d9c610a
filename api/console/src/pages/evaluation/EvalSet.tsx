/** One set: its runs over time, by kind of question, and what changed between two of them. */
import { Alert, Anchor, Button, Group, Paper, Select, Stack, Text } from "@mantine/core";
import { Play, Trash2, TriangleAlert } from "lucide-react";
import { useEffect, useRef, useState } from "react";
import { Link, useNavigate, useParams } from "react-router";
import { useCollection } from "@/api/collections";
import { type EvalRun, useDeleteEvalSet, useEvalRuns, useRunSet } from "@/api/evaluation";
import { usePlanChoices } from "@/api/plans";
import { useAllows } from "@/api/session";
import { useConfirm } from "@/components/confirm";
import { Empty } from "@/components/Empty";
import { Loaded } from "@/components/Loaded";
import { Page } from "@/components/Page";
import { useIsHere } from "@/hooks/here";
import { useSpeech } from "@/i18n";
import { Compare } from "./Compare";
import { isRegression } from "./parts";
import { Questions } from "./Questions";
import { Runs } from "./Runs";
import { Slices } from "./Slices";
import { Trend } from "./Trend";

export default function EvalSetPage() {
  const { t } = useSpeech();
  const collection = useCollection();
  const { set: name = "" } = useParams();
  const runs = useEvalRuns(collection, name);
  return (
    <Page
      title={name}
      lead={
        <>
          {t("eval.set-lead")}{" "}
          <Anchor component={Link} to={`/c/${collection}/evaluation`} underline="always">
            {t("eval.all-sets")}
          </Anchor>
        </>
      }
      actions={<Actions collection={collection} name={name} />}
    >
      <Loaded query={runs}>
        {(found) =>
          found.length === 0 ? (
            <Empty title={t("eval.no-runs")}>{t("eval.no-runs-text")}</Empty>
          ) : (
            <History collection={collection} name={name} runs={found} />
          )
        }
      </Loaded>
    </Page>
  );
}

function Actions({ collection, name }: { collection: string; name: string }) {
  const { t } = useSpeech();
  const allows = useAllows();
  const confirm = useConfirm();
  const navigate = useNavigate();
  const plans = usePlanChoices(collection);
  const [plan, setPlan] = useState("");
  const run = useRunSet(collection, name);
  const isHere = useIsHere();
  const remove = useDeleteEvalSet(collection, () => isHere() && void navigate(`/c/${collection}/evaluation`));
  if (!allows("write")) return null;
  const drop = async () => {
    const question = { title: t("eval.delete-title", { name }), body: t("eval.delete-text"), action: t("common.delete") };
    if (await confirm({ ...question, danger: true })) remove.mutate(name);
  };
  return (
    <Group gap="xs" align="flex-end">
      <Select
        size="sm"
        w={270}
        aria-label={t("eval.plan")}
        data={[{ value: "", label: t("eval.serving-plan") }, ...plans]}
        value={plan}
        onChange={(value) => setPlan(value ?? "")}
        allowDeselect={false}
      />
      <Button
        leftSection={<Play size={15} aria-hidden />}
        loading={run.isPending}
        onClick={() => run.mutate(plan === "" ? null : plan === "default" ? plan : Number(plan))}
      >
        {t("eval.run")}
      </Button>
      <Button variant="default" leftSection={<Trash2 size={15} aria-hidden />} onClick={() => void drop()}>
        {t("common.delete")}
      </Button>
    </Group>
  );
}

function History({ collection, name, runs }: { collection: string; name: string; runs: readonly EvalRun[] }) {
  const allows = useAllows();
  const newest = runs[0];
  const [chosen, setPair] = useState<readonly [number, number] | null>(null);
  const stands = (id: number | undefined) => runs.some((run) => run.id === id); // others were deleted
  const pair = chosen?.every(stands) ? chosen : null;
  const before = newest?.change?.against;
  const [opened, open] = useState<number | null>(null);
  const alone = runs.find((run) => run.id === opened) ?? (runs.length === 1 ? newest : undefined);
  const later = pair?.[1] ?? newest?.id ?? null;
  const earlier = pair?.[0] ?? (stands(before) ? before : runs[1]?.id) ?? null;
  return (
    <Stack gap="lg">
      {newest && isRegression(newest) && <Regression run={newest} />}
      <Trend runs={runs} />
      {newest && <Slices run={newest} />}
      <Runs collection={collection} name={name} runs={runs} choose={setPair} open={open} />
      {alone && <OneRun key={alone.id} collection={collection} name={name} run={alone.id} wanted={alone.id === opened} />}
      {runs.length > 1 && later !== null && earlier !== null && (
        <Compare
          key={`${earlier} ${later}`}
          collection={collection}
          name={name}
          runs={runs}
          earlier={earlier}
          later={later}
          choose={setPair}
          withQuestions={allows("write")}
        />
      )}
    </Stack>
  );
}

interface OneRunProps {
  collection: string;
  name: string;
  run: number;
  /** Whether somebody asked for it: then it is scrolled to. */
  wanted: boolean;
}

/** What a run found for each question. */
function OneRun({ collection, name, run, wanted }: OneRunProps) {
  const { t } = useSpeech();
  const allows = useAllows();
  const place = useRef<HTMLDivElement>(null);
  useEffect(() => {
    if (wanted) place.current?.scrollIntoView();
  }, [wanted]);
  return (
    <Paper withBorder radius="md" p="md" ref={place}>
      {allows("write") ? (
        <Questions collection={collection} name={name} run={run} against={null} />
      ) : (
        <Text size="sm" c="dimmed">
          {t("eval.questions-right")}
        </Text>
      )}
    </Paper>
  );
}

function Regression({ run }: { run: EvalRun }) {
  const { t, textOr } = useSpeech();
  const kinds = (run.change?.worse_slices ?? []).map((kind) => textOr(`kind.${kind}`, kind));
  const metrics = (run.change?.worse ?? []).map((metric) => textOr(`metric.${METRIC_KEYS[metric] ?? metric}`, metric));
  const what = [...metrics, ...kinds].join(", ");
  return (
    <Alert color="red" icon={<TriangleAlert size={18} aria-hidden />} title={t("eval.regression", { run: run.id })}>
      {t("eval.regression-text", { against: run.change?.against ?? 0, what })}{" "}
      <Anchor href="#compare" underline="always" c="inherit">
        {t("eval.see-questions")}
      </Anchor>
    </Alert>
  );
}

const METRIC_KEYS: Readonly<Record<string, string>> = {
  "ndcg@10": "ndcg",
  "mrr@10": "mrr",
  "recall@10": "recall10",
  "recall@100": "recall100",
};
