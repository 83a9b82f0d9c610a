/** Why a query does, or does not, find the document: asked with any plan and as any groups. */
import { Button, Group, Paper, Select, Stack, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { planId, usePlans } from "@/api/plans";
import { useWhy } from "@/api/search";
import { useSession } from "@/api/session";
import { GroupsInput } from "@/components/Groups";
import { Loaded } from "@/components/Loaded";
import { useParameter } from "@/hooks/parameters";
import { useSpeech } from "@/i18n";
import { WhyResult } from "./WhyResult";

interface Props {
  collection: string;
  documentKey: string;
}

const SERVING = "serving";

export function WhyFound({ collection, documentKey }: Props) {
  const { t } = useSpeech();
  const session = useSession();
  const [parameters, set] = useParameter();
  const asked = parameters.get("q") ?? "";
  const [typed, setTyped] = useState(asked);
  const [plan, setPlan] = useState<string>(SERVING);
  const [groups, setGroups] = useState<string[]>([]);
  const stored = usePlans(collection).data?.plans ?? [];
  const body = {
    collection,
    key: documentKey,
    query: asked,
    ...(plan !== SERVING && { plan: plan === "default" ? ("default" as const) : Number(plan) }),
    ...(groups.length > 0 && { as_groups: groups }),
  };
  const why = useWhy(asked.trim() ? body : null);
  const ask = (event: FormEvent) => {
    event.preventDefault();
    set("q", typed.trim());
  };
  const plans = [
    { value: SERVING, label: t("search.plan-serving") },
    { value: "default", label: t("search.plan-default") },
    ...stored.map((one) => ({ value: planId(one), label: one.name })),
  ];
  return (
    <Stack>
      <Paper withBorder radius="md" p="md" component="form" onSubmit={ask}>
        <Group align="flex-end" gap="sm">
          <TextInput
            label={t("why.query")}
            placeholder={t("why.query-hint")}
            value={typed}
            onChange={(event) => setTyped(event.currentTarget.value)}
            flex="1 1 300px"
          />
          <Select
            label={t("search.plan")}
            data={plans}
            value={plan}
            onChange={(value) => setPlan(value ?? SERVING)}
            allowDeselect={false}
            w={220}
          />
          <Button type="submit" disabled={!typed.trim()}>
            {t("why.ask")}
          </Button>
        </Group>
        {(session.scope === "admin" || session.groups.length > 0) && (
          <Group mt="sm" maw={560}>
            <GroupsInput label={t("search.as-groups")} hint={t("search.as-groups-hint")} value={groups} change={setGroups} size="xs" />
          </Group>
        )}
      </Paper>
      {asked.trim() && <Loaded query={why}>{(told) => <WhyResult why={told} />}</Loaded>}
    </Stack>
  );
}
