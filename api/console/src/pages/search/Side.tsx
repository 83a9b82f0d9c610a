/** One side of the lab: its plan, what it found, and what can be done with that plan. */
import { Alert, Badge, Button, Group, Paper, Select, Stack, Text } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import { useState } from "react";
import { planId, type PlanView } from "@/api/plans";
import type { Hit, SearchResponse } from "@/api/search";
import { useAllows } from "@/api/session";
import { Loaded } from "@/components/Loaded";
import { useSpeech } from "@/i18n";
import { useConfirmedApply } from "./apply";
import { type Choice, MEANING, OWN, SERVING, valuesOf, WORDS } from "./choice";
import type { Grade, Grades } from "./grades";
import { HitCard } from "./HitCard";
import { PlanEditor } from "./PlanEditor";

interface Props {
  collection: string;
  name: string;
  plans: readonly PlanView[];
  serving: PlanView | undefined;
  choice: Choice;
  choose: (choice: Choice) => void;
  result: UseQueryResult<SearchResponse>;
  /** The other side's hits; undefined where there is no other side. */
  others: readonly Hit[] | undefined;
  most: number;
  grades: Grades;
  judge: ((hit: Hit, grade: Grade) => void) | undefined;
  open: (hit: Hit) => void;
}

export function Side(props: Props) {
  const { name, choice, choose, plans, serving, collection } = props;
  const { t } = useSpeech();
  const allows = useAllows();
  const [editing, setEditing] = useState(false);
  const apply = useConfirmedApply(collection, (id) => choose({ name: id, own: null }));
  const values = valuesOf(choice, plans, serving);
  const serves = choice.name === SERVING || (serving !== undefined && planId(serving) === choice.name);
  return (
    <section aria-label={name}>
      <Paper withBorder radius="md" p="sm" mb="sm">
        <Stack gap="xs">
          <Select
            label={name}
            data={optionsOf(plans, serving, t)}
            value={choice.name}
            onChange={(value) => choose({ name: value ?? SERVING, own: choice.own })}
            allowDeselect={false}
          />
          <Group gap="xs">
            <Button size="compact-sm" variant="default" onClick={() => setEditing(true)}>
              {t("search.adjust")}
            </Button>
            {allows("admin") && !serves && (
              <Button size="compact-sm" variant="light" loading={apply.isPending} onClick={() => void apply.ask(choice, values)}>
                {t("search.apply")}
              </Button>
            )}
            {serves && (
              <Badge variant="light" color="green" tt="none">
                {t("state.serving")}
              </Badge>
            )}
          </Group>
        </Stack>
      </Paper>
      <Loaded query={props.result}>{(found) => <Found {...props} found={found} />}</Loaded>
      <PlanEditor
        opened={editing}
        close={() => setEditing(false)}
        values={values}
        done={(own) => {
          setEditing(false);
          choose({ name: OWN, own });
        }}
      />
      {apply.dialog}
    </section>
  );
}

const FEW = 0.3; // below it, the API says, what was found is probably about something else

function Found({ found, others, most, grades, judge, open }: Props & { found: SearchResponse }) {
  const { t, textOr, language } = useSpeech();
  const places = others && new Map(others.map((hit, place) => [hit.key, place + 1]));
  const missed = (found.degraded ?? []).map((leg) => textOr(`search.leg-${leg}`, leg)).join(", ");
  const corrections = (found.corrections ?? []).map(({ from, to }) => `${from} → ${to}`).join(", ");
  const ms = (value: number) => value.toLocaleString(language, { maximumFractionDigits: 1 });
  const stages = Object.entries(found.stages ?? {}).filter(([, spent]) => spent >= 0.05);
  return (
    <Stack gap="sm">
      <Text size="xs" c="dimmed" role="status">
        {t("search.took", { count: found.hits.length, ms: ms(found.took_ms) })}
        {stages.length > 0 && ` (${stages.map(([stage, spent]) => `${textOr(`search.stage-${stage}`, stage)} ${ms(spent)}`).join(", ")})`}
      </Text>
      {corrections && (
        <Text size="sm" c="dimmed">
          {t("search.corrected", { words: corrections })}
        </Text>
      )}
      {missed && <Alert color="yellow">{t("search.degraded", { legs: missed })}</Alert>}
      {found.hits.length > 0 && typeof found.relevance === "number" && found.relevance < FEW && (
        <Alert color="gray">{t("search.elsewhere", { relevance: found.relevance.toLocaleString(language, { maximumFractionDigits: 2 }) })}</Alert>
      )}
      {found.hits.length === 0 && <Text size="sm">{t("search.nothing")}</Text>}
      {found.hits.map((hit, place) => (
        <HitCard
          key={hit.key}
          hit={hit}
          place={place + 1}
          most={most}
          elsewhere={places && (places.get(hit.key) ?? null)}
          grade={grades[hit.key]?.grade}
          judge={judge && ((grade) => judge(hit, grade))}
          open={() => open(hit)}
        />
      ))}
    </Stack>
  );
}

type Translate = ReturnType<typeof useSpeech>["t"];

function optionsOf(plans: readonly PlanView[], serving: PlanView | undefined, t: Translate) {
  return [
    { value: SERVING, label: serving ? t("search.plan-serving-named", { name: serving.name }) : t("search.plan-serving") },
    { value: "default", label: t("search.plan-default") },
    { value: WORDS, label: t("search.plan-words") },
    { value: MEANING, label: t("search.plan-meaning") },
    ...plans.map((one) => ({ value: planId(one), label: `${one.name} (${planId(one)})` })),
    { value: OWN, label: t("search.plan-own") },
  ];
}
