/** What a person should know now, the worst first, in plain words of the page's language. */
import { Alert, Anchor, Group, Stack, Text } from "@mantine/core";
import { CircleAlert, CircleCheck, Info, TriangleAlert } from "lucide-react";
import { Link } from "react-router";
import type { Model } from "@/api/client";
import { type Right, useAllows } from "@/api/session";
import { useSpeech } from "@/i18n";
import type { Parameters } from "@/i18n/types";

type AlertView = Model<"AlertView">;
const LOOKS = {
  error: ["red", CircleAlert],
  warning: ["yellow", TriangleAlert],
  info: ["blue", Info],
} as const;

interface Props {
  alerts: readonly AlertView[];
  /** Jobs that failed. */
  failed: number;
}

export function Alerts({ alerts, failed }: Props) {
  const { t } = useSpeech();
  if (alerts.length === 0 && failed === 0) {
    return (
      <Alert color="green" icon={<CircleCheck size={18} aria-hidden />}>
        {t("overview.calm")}
      </Alert>
    );
  }
  return (
    <Stack gap="xs" role="region" aria-label={t("overview.attention")}>
      {alerts.map((alert, place) => (
        <One key={`${alert.code} ${alert.collection} ${alert.source} ${place}`} alert={alert} />
      ))}
      {failed > 0 && <Line severity="warning" text={t("overview.see-failed", { count: failed })} place="/jobs?state=failed" />}
    </Stack>
  );
}

function One({ alert }: { alert: AlertView }) {
  const { textOr } = useSpeech();
  const allows = useAllows();
  const [place, right] = placeOf(alert);
  const words = { ...alert.params, collection: alert.collection, source: alert.source } as Parameters;
  return <Line severity={alert.severity} text={textOr(`alert.${alert.code}`, alert.message, words)} place={allows(right) ? place : null} />;
}

function Line({ severity, text, place }: { severity: keyof typeof LOOKS; text: string; place: string | null }) {
  const { t } = useSpeech();
  const [colour, Icon] = LOOKS[severity];
  return (
    <Alert color={colour} icon={<Icon size={18} aria-hidden />} py="xs">
      <Group justify="space-between" gap="sm">
        <Text size="sm">{text}</Text>
        {place && (
          <Anchor component={Link} to={place} size="sm" underline="always">
            {t("common.open")}
          </Anchor>
        )}
      </Group>
    </Alert>
  );
}

/** The page where one can do something about it, and the right that it needs. */
function placeOf(alert: AlertView): [string | null, Right] {
  if (alert.code === "dead_letters") return [`/c/${alert.collection}/letters?source=${encodeURIComponent(alert.source)}`, "admin"];
  if (alert.source) return [`/c/${alert.collection}/sources/${encodeURIComponent(alert.source)}`, "admin"];
  if (alert.code === "queue") return ["/jobs", "read"];
  return [alert.collection ? "/collections" : null, "write"];
}
