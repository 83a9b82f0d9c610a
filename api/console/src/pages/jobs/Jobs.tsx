/** Jobs and schedules: what runs, what ran and how it ended, and what runs again and again. */
import { Button, Tabs } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Plus } from "lucide-react";
import { useSearchParams } from "react-router";
import { useAllows } from "@/api/session";
import { Page } from "@/components/Page";
import { useSpeech } from "@/i18n";
import { JobList } from "./JobList";
import { Schedules } from "./Schedules";
import { WorkForm } from "./WorkForm";

export default function Jobs() {
  const { t } = useSpeech();
  const allows = useAllows();
  const [place, setPlace] = useSearchParams();
  const [opened, form] = useDisclosure(false);
  const actions = allows("admin") && (
    <Button leftSection={<Plus size={16} aria-hidden />} onClick={form.open}>
      {t("jobs.new")}
    </Button>
  );
  const show = place.get("show") === "schedules" ? "schedules" : "jobs";
  return (
    <Page title={t("page.jobs")} lead={t("jobs.lead")} actions={actions}>
      <Tabs value={show} onChange={(value) => setPlace(value === "schedules" ? { show: value } : {})} keepMounted={false}>
        <Tabs.List mb="md" aria-label={t("page.jobs")}>
          <Tabs.Tab value="jobs">{t("jobs.jobs")}</Tabs.Tab>
          <Tabs.Tab value="schedules">{t("jobs.schedules")}</Tabs.Tab>
        </Tabs.List>
        <Tabs.Panel value="jobs">
          <JobList />
        </Tabs.Panel>
        <Tabs.Panel value="schedules">
          <Schedules />
        </Tabs.Panel>
      </Tabs>
      <WorkForm opened={opened} close={form.close} />
    </Page>
  );
}
