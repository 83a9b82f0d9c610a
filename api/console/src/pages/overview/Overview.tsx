import { Page } from "@/components/Page";
import { useSpeech } from "@/i18n";

export default function Overview() {
  const { t } = useSpeech();
  return <Page title={t("page.overview")}>…</Page>;
}
