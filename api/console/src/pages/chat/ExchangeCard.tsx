/** A question and what was answered: the text with its citations, or a refusal, and what one thinks of it. */
import { Alert, Button, Group, Loader, Paper, Stack, Text } from "@mantine/core";
import { Info } from "lucide-react";
import { keyOf } from "@/api/documents";
import { Failure } from "@/components/Failure";
import type { Pointed } from "@/components/SpanDrawer";
import { Time } from "@/components/Time";
import { useSpeech } from "@/i18n";
import { placeOf } from "@/lib/place";
import { Answer } from "./Answer";
import { Citations } from "./Citations";
import classes from "./Chat.module.css";
import type { Exchange, Opinion as Given } from "./conversation";
import { Nearest } from "./Nearest";
import { Opinion } from "./Opinion";

interface Props {
  collection: string;
  exchange: Exchange;
  open: (pointed: Pointed) => void;
  again: () => void;
  judge: (opinion: Given) => void;
}

export function ExchangeCard({ collection, exchange, open, again, judge }: Props) {
  const speech = useSpeech();
  const { t } = speech;
  const { final, state } = exchange;
  const cite = (number: number) => {
    const cited = exchange.citations.find((one) => one.number === number);
    if (!cited) return;
    const { title, start, end, quote } = cited;
    open({ key: keyOf(cited.document_id), title, start, end, quote, place: placeOf(cited, speech) });
  };
  return (
    <Stack gap="xs" component="article" aria-label={exchange.question}>
      <Group justify="flex-end">
        <div className={classes.question}>{exchange.question}</div>
      </Group>
      <Paper withBorder radius="md" p="md">
        <Stack gap="sm">
          {final?.refused ? (
            <Alert color="gray" icon={<Info size={18} aria-hidden />} title={t("chat.refused")}>
              <Text size="sm">{exchange.text}</Text>
            </Alert>
          ) : (
            <Answer text={exchange.text} citations={exchange.citations} cite={cite} />
          )}
          {state === "writing" && (
            <Group gap="xs" role="status">
              <Loader size="xs" aria-hidden />
              <Text size="sm" c="dimmed">
                {t(exchange.read.length > 0 ? "chat.writing" : "chat.searching")}
              </Text>
            </Group>
          )}
          {state === "stopped" && <Text size="sm" c="dimmed">{t("chat.stopped")}</Text>}
          {state === "failed" && <Failure error={exchange.error} retry={again} />}
          {final?.degraded && <Alert color="yellow">{t("chat.degraded", { why: final.degraded })}</Alert>}
          {!final?.refused && <Citations citations={exchange.citations} cite={cite} />}
          {final?.refused && <Nearest read={exchange.read} open={open} />}
          {final && (
            <Text size="xs" c="dimmed">
              {t("documents.as-of")} <Time value={final.as_of} />
              {!final.refused && ` · ${t("chat.confidence", { percent: Math.round(final.confidence * 100) })}`}
            </Text>
          )}
          {final && <Opinion collection={collection} exchange={exchange} judge={judge} />}
          {state === "stopped" && (
            <Group>
              <Button size="xs" variant="default" onClick={again}>
                {t("chat.again")}
              </Button>
            </Group>
          )}
        </Stack>
      </Paper>
    </Stack>
  );
}
