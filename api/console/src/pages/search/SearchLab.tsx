/** Search lab: one question, two plans side by side, as anybody would see it; what is right or wrong becomes a case. */
import { Button, Stack, Text } from "@mantine/core";
import { useMemo, useState } from "react";
import { useCollection } from "@/api/collections";
import { usePlans } from "@/api/plans";
import { type Asked, type Hit, useSearch } from "@/api/search";
import { useAllows } from "@/api/session";
import { Columns } from "@/components/Columns";
import { Empty } from "@/components/Empty";
import { Page } from "@/components/Page";
import { type Pointed, SpanDrawer } from "@/components/SpanDrawer";
import { useConfirmedRollback } from "@/hooks/rollback";
import { useSpeech } from "@/i18n";
import { CasePanel } from "./CasePanel";
import { NONE } from "./choice";
import { Legend } from "./Contributions";
import type { Grade, Grades } from "./grades";
import { contributed } from "./legs";
import { Question } from "./Question";
import { Side } from "./Side";
import { type Lab, useLab } from "./state";

export default function SearchLab() {
  const { t } = useSpeech();
  const collection = useCollection();
  const [lab, change] = useLab();
  const allows = useAllows();
  const plans = usePlans(collection).data;
  const back = useConfirmedRollback(collection, t("search.apply-reason"), {
    title: t("search.roll-back-ask"),
    body: t("search.roll-back-text", { collection, name: plans?.serving.name ?? "", former: plans?.former?.name ?? "" }),
    action: t("search.roll-back"),
  });
  const actions = allows("admin") && plans?.former != null && (
    <Button variant="default" onClick={() => void back.ask()} loading={back.isPending}>
      {t("search.roll-back")}
    </Button>
  );
  return (
    <Page title={t("page.search")} lead={t("search.lead")} actions={actions}>
      <Question collection={collection} lab={lab} change={change} />
      {lab.query ? (
        <Results key={lab.query} collection={collection} lab={lab} change={change} />
      ) : (
        <Empty title={t("search.begin")}>{t("search.begin-text")}</Empty>
      )}
    </Page>
  );
}

interface Props {
  collection: string;
  lab: Lab;
  change: (part: Partial<Lab>) => void;
}

function Results({ collection, lab, change }: Props) {
  const { t } = useSpeech();
  const allows = useAllows();
  const plans = usePlans(collection).data;
  const [grades, setGrades] = useState<Grades>({});
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const both = lab.b.name !== NONE;
  const first = useSearch(asked(collection, lab, "a"));
  const second = useSearch(asked(collection, lab, "b"), both);
  const hits = [first.data?.hits ?? [], both ? (second.data?.hits ?? []) : []] as const;
  const most = useMemo(() => Math.max(0.001, ...hits.flat().map(contributed)), [hits[0], hits[1]]);
  const judge = (hit: Hit, grade: Grade) =>
    setGrades(({ [hit.key]: former, ...rest }) =>
      former?.grade === grade ? rest : { ...rest, [hit.key]: { grade, title: hit.title } },
    );
  const shared = {
    collection,
    plans: plans?.plans ?? [],
    serving: plans?.serving,
    most,
    grades,
    judge: allows("write") ? judge : undefined,
    open: (hit: Hit) => setPointed({ key: hit.key, title: hit.title, start: hit.start, end: hit.end }),
  };
  return (
    <Stack gap="md">
      <Legend />
      {lab.groups.length > 0 && (
        <Text size="sm" role="status">
          {t("search.seen-as", { groups: lab.groups.join(", ") })}
        </Text>
      )}
      <Columns least={330}>
        <Side
          {...shared}
          name={t("search.plan-a")}
          choice={lab.a}
          choose={(a) => change({ a })}
          result={first}
          others={both ? second.data?.hits : undefined}
        />
        {both && (
          <Side
            {...shared}
            name={t("search.plan-b")}
            choice={lab.b}
            choose={(b) => change({ b })}
            result={second}
            others={first.data?.hits}
          />
        )}
      </Columns>
      {allows("write") && (
        <CasePanel collection={collection} query={lab.query} grades={grades} change={setGrades} />
      )}
      <SpanDrawer collection={collection} pointed={pointed} close={() => setPointed(null)} />
    </Stack>
  );
}

function asked(collection: string, lab: Lab, side: "a" | "b"): Asked {
  return {
    collection,
    query: lab.query,
    top_k: lab.top,
    filter: lab.filter,
    as_groups: lab.groups.length > 0 ? [...lab.groups] : null,
    plan: lab.planOf(side),
  };
}
