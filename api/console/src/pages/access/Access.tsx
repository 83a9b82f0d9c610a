/** Access: who holds a key, which groups there are, and who did what. */
import { Tabs } from "@mantine/core";
import { useSearchParams } from "react-router";
import { Page } from "@/components/Page";
import { useSpeech } from "@/i18n";
import { Audit } from "./Audit";
import { Groups } from "./Groups";
import { Keys } from "./Keys";

const SHOWN = ["keys", "groups", "audit"] as const;

export default function Access() {
  const { t } = useSpeech();
  const [place, setPlace] = useSearchParams();
  const show = SHOWN.find((one) => one === place.get("show")) ?? "keys";
  return (
    <Page title={t("page.access")} lead={t("access.lead")}>
      <Tabs value={show} onChange={(value) => setPlace({ show: value ?? show })} keepMounted={false}>
        <Tabs.List mb="md" aria-label={t("page.access")}>
          {SHOWN.map((one) => (
            <Tabs.Tab key={one} value={one}>
              {t(`access.${one}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="keys">
          <Keys />
        </Tabs.Panel>
        <Tabs.Panel value="groups">
          <Groups />
        </Tabs.Panel>
        <Tabs.Panel value="audit">
          <Audit />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
