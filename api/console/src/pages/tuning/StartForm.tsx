/** Starts an experiment: how long, on which questions, by which policy, and whether a proven winner may serve at once. */
import { Accordion, Alert, Button, Checkbox, Group, NumberInput, Select, Stack, Switch, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useEvalSets } from "@/api/evaluation";
import { useModules } from "@/api/models";
import { type ExperimentBody, useStartExperiment } from "@/api/tuning";
import { Failure } from "@/components/Failure";
import { Drawer } from "@/components/overlays";
import { useSpeech } from "@/i18n";
import { BEGINNING, BUDGETS, ENCODERS, METRICS, OWN_METRIC, ROLLOUTS, TIERS, type Wishes } from "./wishes";
import { metricName } from "./words";

const MIN_QUESTIONS = 20; // of fewer an experiment proves nothing, and the server refuses them
const MADE = ""; // no set's name

interface Props {
  collection: string;
  opened: boolean;
  close: () => void;
  then: (id: string) => void;
}

export function StartForm({ collection, opened, close, then }: Props) {
  const { t } = useSpeech();
  return (
    <Drawer opened={opened} onClose={close} title={t("tune.start")}>
      <Form collection={collection} close={close} then={then} />
    </Drawer>
  );
}

function Form({ collection, close, then }: Omit<Props, "opened">) {
  const speech = useSpeech();
  const { t, textOr } = speech;
  const [wishes, setWishes] = useState<Wishes>(BEGINNING);
  const [chosen, choose] = useState<string | null>(null);
  const found = useEvalSets(collection).data;
  const sets = found ?? [];
  const large = sets.filter((one) => one.queries >= MIN_QUESTIONS);
  // Where there is but one choice it is made already.
  const asked = chosen ?? (found === undefined ? null : large.length === 0 ? MADE : large.length === 1 ? (large[0]?.name ?? null) : null);
  const modules = useModules().data ?? [];
  const start = useStartExperiment(collection, (id) => {
    close();
    then(id);
  });
  const wish = (change: Partial<Wishes>) => setWishes({ ...wishes, ...change });
  const named = (kind: string) => modules.filter((one) => one.kind === kind);
  const policy = named("policy").find((one) => one.name === wishes.policy);
  const send = (event: FormEvent) => {
    event.preventDefault();
    if (asked === null) return;
    const questions = { eval_set: asked === MADE ? "" : asked, made_questions: asked === MADE };
    start.mutate({ collection, ...wishes, ...questions } satisfies ExperimentBody);
  };
  const setNames = sets.map((one) =>
    one.queries < MIN_QUESTIONS
      ? { value: one.name, label: t("tune.small-set", { name: one.name, count: one.queries, least: MIN_QUESTIONS }), disabled: true }
      : { value: one.name, label: `${one.name} (${one.queries})` },
  );
  return (
    <form onSubmit={send}>
      <Stack>
        <Text size="sm">{t("tune.form-lead")}</Text>
        <Select
          label={t("tune.budget")}
          description={t("tune.budget-hint")}
          data={[...new Set([...BUDGETS, wishes.budget])].map((value) => ({ value, label: textOr(`budget.${value}`, value) }))}
          value={wishes.budget}
          onChange={(budget) => wish({ budget: budget ?? wishes.budget })}
          allowDeselect={false}
          data-autofocus
        />
        <Select
          label={t("tune.questions")}
          description={t("tune.questions-hint")}
          data={[...setNames, { value: MADE, label: t("tune.made-questions") }]}
          value={asked}
          placeholder={t("tune.choose-questions")}
          onChange={choose}
          allowDeselect={false}
        />
        {asked === MADE && <Alert color="yellow">{t("tune.made-text")}</Alert>}
        {found !== undefined && asked === null && <Alert color="yellow">{t("tune.choose-set")}</Alert>}
        <Switch
          label={t("tune.promote-label")}
          description={t("tune.promote-hint")}
          checked={wishes.promote}
          onChange={(event) => wish({ promote: event.currentTarget.checked })}
        />
        {wishes.promote && (
          <Select
            label={t("tune.goes-out")}
            data={ROLLOUTS.map((value) => ({ value, label: t(`tune.goes-out-${value}`) }))}
            value={wishes.rollout}
            onChange={(value) => wish({ rollout: ROLLOUTS.find((one) => one === value) ?? "none" })}
            allowDeselect={false}
          />
        )}
        <Accordion variant="separated">
          <Accordion.Item value="more">
            <Accordion.Control>{t("tune.more")}</Accordion.Control>
            <Accordion.Panel>
              <Stack gap="sm">
                <TextInput
                  label={t("tune.task")}
                  description={t("tune.task-hint")}
                  value={wishes.task}
                  onChange={(event) => wish({ task: event.currentTarget.value })}
                />
                <Checkbox.Group
                  label={t("tune.tiers")}
                  description={t("tune.tiers-hint")}
                  value={wishes.tiers.split(",").filter((one) => one !== "")}
                  onChange={(chosen) => wish({ tiers: TIERS.filter((one) => chosen.includes(one)).join(",") })}
                >
                  <Stack gap={6} mt={6}>
                    {TIERS.map((tier) => (
                      <Checkbox key={tier} value={tier} label={t(`tier.${tier}`)} description={t(`tier-hint.${tier}`)} />
                    ))}
                  </Stack>
                </Checkbox.Group>
                <Checkbox.Group
                  label={t("tune.encoders")}
                  description={t("tune.encoders-hint")}
                  value={wishes.encoders.split(",").filter((one) => one !== "")}
                  onChange={(chosen) => wish({ encoders: ENCODERS.filter((one) => chosen.includes(one)).join(",") })}
                >
                  <Stack gap={6} mt={6}>
                    {ENCODERS.map((name) => (
                      <Checkbox key={name} value={name} label={name} description={t(`encoder-hint.${name}`)} />
                    ))}
                  </Stack>
                </Checkbox.Group>
                <Select
                  label={t("tune.metric")}
                  description={t("tune.metric-hint")}
                  data={[{ value: OWN_METRIC, label: t("tune.own-metric") }, ...METRICS.map((value) => ({ value, label: metricName(value, speech) }))]}
                  value={wishes.metric}
                  onChange={(value) => wish({ metric: value ?? wishes.metric })}
                  allowDeselect={false}
                />
                <Switch
                  label={t("tune.split")}
                  description={t("tune.split-hint")}
                  checked={wishes.split === "question"}
                  onChange={(event) => wish({ split: event.currentTarget.checked ? "question" : "document" })}
                />
                <Switch
                  label={t("tune.fast")}
                  description={t("tune.fast-hint")}
                  checked={wishes.fast}
                  onChange={(event) => wish({ fast: event.currentTarget.checked })}
                />
                <Select
                  label={t("tune.policy")}
                  description={textOr(`policy.${wishes.policy}`, policy?.summary ?? t("tune.policy-hint"))}
                  data={[...new Set([wishes.policy, ...named("policy").map((one) => one.name)])]}
                  value={wishes.policy}
                  onChange={(name) => wish({ policy: name ?? wishes.policy })}
                  allowDeselect={false}
                />
                <Select
                  label={t("tune.space")}
                  description={t("tune.space-hint")}
                  data={[...new Set([wishes.search_space, ...named("space").map((one) => one.name)])]}
                  value={wishes.search_space}
                  onChange={(name) => wish({ search_space: name ?? wishes.search_space })}
                  allowDeselect={false}
                />
                <Group grow align="flex-start">
                  <NumberInput
                    label={t("tune.epochs")}
                    description={t("tune.epochs-hint")}
                    min={1}
                    max={100_000}
                    value={wishes.max_epochs}
                    onChange={(value) => wish({ max_epochs: Number(value) || 1 })}
                  />
                  <NumberInput
                    label={t("tune.seed")}
                    description={t("tune.seed-hint")}
                    min={0}
                    value={wishes.seed}
                    onChange={(value) => wish({ seed: Number(value) || 0 })}
                  />
                </Group>
              </Stack>
            </Accordion.Panel>
          </Accordion.Item>
        </Accordion>
        {start.isError && <Failure error={start.error} />}
        <Group justify="flex-end">
          <Button type="submit" loading={start.isPending} disabled={asked === null}>
            {t("tune.go")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
