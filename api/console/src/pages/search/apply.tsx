/** Letting a plan serve, which asks once and names the plan. */
import { Button, Group, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { planId, type PlanView, usePlans, usePromote, useStorePlan } from "@/api/plans";
import { useConfirm } from "@/components/confirm";
import { Modal } from "@/components/overlays";
import { useSpeech } from "@/i18n";
import { type Choice, isStored, type PlanValues } from "./choice";

/** `ask` lets a plan serve; one that is not stored yet is given a name first. `applied` hears the plan's number. */
export function useConfirmedApply(collection: string, applied: (id: string) => void) {
  const { t } = useSpeech();
  const confirm = useConfirm();
  const plans = usePlans(collection).data;
  const promote = usePromote(collection);
  const store = useStorePlan(collection);
  const [unnamed, setUnnamed] = useState<PlanValues | null>(null);
  const serve = async (plan: string, serving: PlanView, reason: string) => {
    await promote.mutateAsync({ plan, serving, reason });
    applied(plan);
  };
  const ask = async (choice: Choice, values: PlanValues) => {
    if (!isStored(choice)) return setUnnamed(values);
    if (!plans) return;
    const name = plans.plans.find((one) => planId(one) === choice.name)?.name ?? t("search.plan-default");
    const agreed = await confirm({
      title: t("search.apply-ask", { name }),
      body: t("search.apply-text", { collection, former: plans.serving.name }),
      action: t("search.apply"),
    });
    if (agreed) await serve(choice.name, plans.serving, t("search.apply-reason")).catch(() => undefined); // told already
  };
  const storeAndServe = async (name: string) => {
    const values = unnamed ?? {};
    setUnnamed(null);
    if (!plans) return;
    try {
      const made = await store.mutateAsync({ name, plan: values });
      await serve(planId(made), plans.serving, t("search.apply-reason"));
    } catch {
      // told already
    }
  };
  const dialog = (
    <NameDialog
      opened={unnamed !== null}
      close={() => setUnnamed(null)}
      collection={collection}
      former={plans?.serving.name ?? ""}
      done={(name) => void storeAndServe(name)}
    />
  );
  return { ask, dialog, isPending: promote.isPending || store.isPending };
}

interface DialogProps {
  opened: boolean;
  close: () => void;
  collection: string;
  former: string;
  done: (name: string) => void;
}

function NameDialog({ opened, close, collection, former, done }: DialogProps) {
  const { t } = useSpeech();
  const [name, setName] = useState("");
  const submit = (event: FormEvent) => {
    event.preventDefault();
    done(name.trim());
  };
  return (
    <Modal opened={opened} onClose={close} title={t("search.name-title")}>
      <form onSubmit={submit}>
        <Stack>
          <Text size="sm">{t("search.apply-text", { collection, former })}</Text>
          <TextInput
            label={t("search.name")}
            value={name}
            onChange={(event) => setName(event.currentTarget.value)}
            data-autofocus
            required
          />
          <Group justify="flex-end">
            <Button variant="default" onClick={close}>
              {t("common.cancel")}
            </Button>
            <Button type="submit" disabled={!name.trim()}>
              {t("search.name-go")}
            </Button>
          </Group>
        </Stack>
      </form>
    </Modal>
  );
}
