/** Lets a plan go out step by step: first compared in the background, then for a share of the searches. */
import { Button, Group, NumberInput, Radio, Select, Stack, Text } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { type RolloutBody, useBeginRollout } from "@/api/rollouts";
import { Failure } from "@/components/Failure";
import { Drawer } from "@/components/overlays";
import { useSpeech } from "@/i18n";

const SHARES = [0.01, 0.05, 0.1, 0.25, 0.5] as const;

interface Props {
  collection: string;
  /** The plan's name in addresses; null: the form is closed. */
  plan: string | null;
  close: () => void;
}

export function RolloutForm({ collection, plan, close }: Props) {
  const { t } = useSpeech();
  return (
    <Drawer opened={plan !== null} onClose={close} title={t("rollout.begin")}>
      {plan !== null && <Form collection={collection} plan={plan} close={close} />}
    </Drawer>
  );
}

function Form({ collection, plan, close }: { collection: string; plan: string; close: () => void }) {
  const { t } = useSpeech();
  const [stage, setStage] = useState<RolloutBody["stage"]>("shadow");
  const [share, setShare] = useState(0.1);
  const [unit, setUnit] = useState<RolloutBody["unit"]>("session");
  const [after, setAfter] = useState(0);
  const [answerMs, setAnswerMs] = useState(0);
  const begin = useBeginRollout(collection, close);
  const send = (event: FormEvent) => {
    event.preventDefault();
    begin.mutate({ plan, body: { stage, share, unit, advance_after: after, answer_ms: answerMs, reason: "" } });
  };
  return (
    <form onSubmit={send}>
      <Stack>
        <Text size="sm">{t("rollout.lead")}</Text>
        <Radio.Group label={t("rollout.first")} value={stage} onChange={(value) => setStage(value as typeof stage)}>
          <Stack gap="xs" mt="xs">
            <Radio value="shadow" label={t("stage-of.shadow")} description={t("rollout.shadow-hint")} />
            <Radio value="canary" label={t("stage-of.canary")} description={t("rollout.canary-hint")} />
          </Stack>
        </Radio.Group>
        <Select
          label={t("rollout.share")}
          data={SHARES.map((value) => ({ value: String(value), label: `${Math.round(value * 100)} %` }))}
          value={String(share)}
          onChange={(value) => setShare(Number(value))}
          allowDeselect={false}
        />
        <Select
          label={t("rollout.unit")}
          description={t("rollout.unit-hint")}
          data={[
            { value: "session", label: t("rollout.unit-session") },
            { value: "query", label: t("rollout.unit-query") },
          ]}
          value={unit}
          onChange={(value) => setUnit(value as typeof unit)}
          allowDeselect={false}
        />
        <NumberInput label={t("rollout.after")} description={t("rollout.after-hint")} min={0} value={after} onChange={(value) => setAfter(Number(value) || 0)} />
        <NumberInput
          label={t("rollout.answer-ms")}
          description={t("rollout.answer-ms-hint")}
          min={0}
          max={600_000}
          value={answerMs}
          onChange={(value) => setAnswerMs(Number(value) || 0)}
        />
        {begin.isError && <Failure error={begin.error} />}
        <Group justify="flex-end">
          <Button type="submit" loading={begin.isPending}>
            {t("rollout.go")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
