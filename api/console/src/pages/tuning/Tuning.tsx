/** Tuning: what serves, experiments, and a form that starts another. */
import { Anchor, Button, Group, Paper, Stack, Text, Title } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { FlaskConical, Undo2 } from "lucide-react";
import { Link, useNavigate } from "react-router";
import { useCollection } from "@/api/collections";
import { usePlans } from "@/api/plans";
import { useAllows } from "@/api/session";
import { type Experiment, useExperiments } from "@/api/tuning";
import { State } from "@/components/Badges";
import { type Column, DataTable } from "@/components/DataTable";
import { Loaded } from "@/components/Loaded";
import { Maker } from "@/components/Maker";
import { Page } from "@/components/Page";
import { Time } from "@/components/Time";
import { measure, signed } from "@/components/Verdict";
import { useIsHere } from "@/hooks/here";
import { useConfirmedRollback } from "@/hooks/rollback";
import { useSpeech } from "@/i18n";
import { Explained } from "./Explained";
import { RolloutCard } from "./RolloutCard";
import { StartForm } from "./StartForm";

export default function Tuning() {
  const { t } = useSpeech();
  const collection = useCollection();
  const experiments = useExperiments(collection);
  const allows = useAllows();
  const navigate = useNavigate();
  const isHere = useIsHere();
  const [opened, form] = useDisclosure(false);
  const start = allows("admin") && (
    <Button leftSection={<FlaskConical size={16} aria-hidden />} onClick={form.open}>
      {t("tune.start")}
    </Button>
  );
  return (
    <Page title={t("page.tuning")} lead={t("tune.lead")} actions={start}>
      <Serving collection={collection} />
      <RolloutCard collection={collection} />
      <Loaded query={experiments}>
        {(found) => (found.length === 0 ? <Explained action={start} /> : <Experiments collection={collection} experiments={found} />)}
      </Loaded>
      <StartForm
        collection={collection}
        opened={opened}
        close={form.close}
        then={(id) => isHere() && void navigate(`/c/${collection}/tuning/${id}`)}
      />
    </Page>
  );
}

/** Which plan serves, and the way back. */
function Serving({ collection }: { collection: string }) {
  const { t } = useSpeech();
  const plans = usePlans(collection);
  const allows = useAllows();
  const back = useConfirmedRollback(collection, "");
  return (
    <Loaded query={plans}>
      {({ serving }) => (
        <Paper withBorder radius="md" p="md">
          <Group justify="space-between">
            <Stack gap={2}>
              <Title order={2} size="h5">
                {t("tune.serving")}
              </Title>
              <Text size="sm">
                <Text component="span" fw={600}>
                  {serving.id == null ? t("models.default-plan") : serving.name}
                </Text>{" "}
                <Text component="span" c="dimmed">
                  {serving.id == null ? t("tune.serving-default") : <Maker told={serving.origin} />}
                </Text>
              </Text>
            </Stack>
            <Group gap="xs">
              <Anchor component={Link} to={`/c/${collection}/models?show=plans`} size="sm">
                {t("tune.all-plans")}
              </Anchor>
              {allows("admin") && serving.id != null && (
                <Button size="xs" variant="default" leftSection={<Undo2 size={14} aria-hidden />} onClick={() => void back.ask()}>
                  {t("tune.roll-back")}
                </Button>
              )}
            </Group>
          </Group>
        </Paper>
      )}
    </Loaded>
  );
}

function Experiments({ collection, experiments }: { collection: string; experiments: readonly Experiment[] }) {
  const { t, language } = useSpeech();
  const serving = usePlans(collection).data?.serving.origin ?? "";
  const columns: Column<Experiment>[] = [
    {
      head: t("tune.experiment"),
      cell: (one) => (
        <Anchor component={Link} to={`/c/${collection}/tuning/${one.id}`} fw={600}>
          {one.id.slice(0, 8)}
        </Anchor>
      ),
    },
    { head: t("common.state"), cell: (one) => <State value={one.state} /> },
    { head: t("tune.trials"), numeric: true, cell: (one) => one.trials.toLocaleString(language) },
    { head: t("tune.best"), numeric: true, cell: (one) => (one.best == null ? "–" : measure(one.best, language)) },
    { head: t("tune.gain"), numeric: true, cell: (one) => (one.lift == null ? "–" : signed(one.lift, language, 4)) },
    { head: t("tune.outcome"), cell: (one) => <Outcome of={one} serving={serving} /> },
    { head: t("tune.began"), cell: (one) => <Time value={one.created_at} /> },
  ];
  return (
    <Paper withBorder radius="md" p="md">
      <Title order={2} size="h4" mb="xs">
        {t("tune.experiments")}
      </Title>
      <DataTable name={t("tune.experiments")} columns={columns} rows={experiments} rowKey={(one) => one.id} leastWidth={700} />
    </Paper>
  );
}

function Outcome({ of, serving }: { of: Experiment; serving: string }) {
  const { t } = useSpeech();
  if (of.promoted === null) return <>–</>;
  if (serving === `experiment ${of.id}`) return <Text size="sm" fw={600}>{t("tune.serves-now")}</Text>;
  return <Text size="sm">{t(of.promoted ? "tune.was-promoted" : "tune.kept")}</Text>;
}
