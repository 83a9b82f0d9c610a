/** Models and modules: the generations of the index, the plans, and the exchangeable parts there are. */
import { Tabs } from "@mantine/core";
import { useSearchParams } from "react-router";
import { useCollection } from "@/api/collections";
import { Page } from "@/components/Page";
import { useSpeech } from "@/i18n";
import { Generations } from "./Generations";
import { Modules } from "./Modules";
import { Plans } from "./Plans";

const SHOWN = ["generations", "plans", "modules"] as const;
type Shown = (typeof SHOWN)[number];

export default function Models() {
  const { t } = useSpeech();
  const collection = useCollection();
  const [place, setPlace] = useSearchParams();
  const show = SHOWN.find((one) => one === place.get("show")) ?? "generations";
  return (
    <Page title={t("page.models")} lead={t("models.lead", { collection })}>
      <Tabs value={show} onChange={(value) => setPlace({ show: (value ?? show) as Shown })} keepMounted={false}>
        <Tabs.List mb="md" aria-label={t("page.models")}>
          {SHOWN.map((one) => (
            <Tabs.Tab key={one} value={one}>
              {t(`models.${one}`)}
            </Tabs.Tab>
          ))}
        </Tabs.List>
        <Tabs.Panel value="generations">
          <Generations collection={collection} />
        </Tabs.Panel>
        <Tabs.Panel value="plans">
          <Plans collection={collection} />
        </Tabs.Panel>
        <Tabs.Panel value="modules">
          <Modules />
        </Tabs.Panel>
      </Tabs>
    </Page>
  );
}
