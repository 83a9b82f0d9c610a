/** Overview: what needs a person, the numbers that matter, the last hour, every collection and source. */
import { Button, Stack } from "@mantine/core";
import { Link } from "react-router";
import { type Overview as Everything, useOverview } from "@/api/overview";
import { useAllows } from "@/api/session";
import { Empty } from "@/components/Empty";
import { Loaded } from "@/components/Loaded";
import { Page } from "@/components/Page";
import { useSpeech } from "@/i18n";
import { Alerts } from "./Alerts";
import { Freshness } from "./Freshness";
import { LastHour } from "./LastHour";
import { Numbers } from "./Numbers";
import { CollectionTable, SourceTable } from "./Tables";

export default function Overview() {
  const { t } = useSpeech();
  const overview = useOverview();
  return (
    <Page title={t("page.overview")} lead={t("overview.lead")}>
      <Loaded query={overview}>
        {(now) => (now.collections.length === 0 ? <NothingYet /> : <Standing now={now} />)}
      </Loaded>
    </Page>
  );
}

function Standing({ now }: { now: Everything }) {
  return (
    <Stack gap="lg">
      <Alerts alerts={now.alerts} failed={now.jobs["failed"] ?? 0} />
      <Numbers now={now} />
      <LastHour steps={now.history} />
      <Freshness freshness={now.freshness} />
      <CollectionTable collections={now.collections} />
      <SourceTable sources={now.sources} />
    </Stack>
  );
}

function NothingYet() {
  const { t } = useSpeech();
  const allows = useAllows();
  if (!allows("admin")) return <Empty title={t("overview.empty")}>{t("overview.empty-reader")}</Empty>;
  const actions = (
    <Button.Group>
      <Button component={Link} to="/connect">
        {t("overview.connect")}
      </Button>
      <Button component={Link} to="/collections?new=1" variant="default">
        {t("overview.upload")}
      </Button>
    </Button.Group>
  );
  return (
    <Empty title={t("overview.empty")} action={actions}>
      {t("overview.empty-text")}
    </Empty>
  );
}
