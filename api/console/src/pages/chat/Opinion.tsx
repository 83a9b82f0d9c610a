/** Thumbs with a reason; for those who maintain the collection, one click more makes an evaluation case of it. */
import { ActionIcon, Button, Group, Radio, Stack, Text, TextInput, Tooltip } from "@mantine/core";
import { ThumbsDown, ThumbsUp } from "lucide-react";
import { useRef, useState } from "react";
import { keyOf } from "@/api/documents";
import { useSaveCase } from "@/api/evalCases";
import { useGiveFeedback } from "@/api/feedback";
import { useAllows } from "@/api/session";
import { DocumentChoice } from "@/components/DocumentChoice";
import { type PlainKey, useSpeech } from "@/i18n";
import type { Exchange, Opinion as Given } from "./conversation";

const CASES = "chat-feedback"; // the set that such cases go into

interface Reason {
  /** As it is stored. */
  value: string;
  label: PlainKey;
  /** Whether what was cited is nevertheless right. */
  citedRight: boolean;
}

const REASONS: readonly Reason[] = [
  { value: "wrong", label: "chat.reason-wrong", citedRight: false },
  { value: "outdated", label: "chat.reason-outdated", citedRight: false },
  { value: "incomplete", label: "chat.reason-incomplete", citedRight: true },
  { value: "wrong source", label: "chat.reason-source", citedRight: false },
];
const REASONS_REFUSED: readonly Reason[] = [{ value: "should have answered", label: "chat.reason-answer", citedRight: false }];

type Rating = Given["rating"];

interface Props {
  collection: string;
  exchange: Exchange;
  /** Hears the opinion once it is stored: it is given once, however often one comes back. */
  judge: (opinion: Given) => void;
}

export function Opinion({ collection, exchange, judge }: Props) {
  const { t } = useSpeech();
  const given = exchange.opinion;
  const [rating, setRating] = useState<Rating | null>(given?.rating ?? null);
  const give = useGiveFeedback(judge);
  const sent = useRef(false); // at once, while what is shown still follows
  const send = (opinion: Given, comment: string) => {
    if (sent.current || given) return;
    sent.current = true;
    const body = {
      collection,
      query: exchange.question,
      document_key: citedKeys(exchange)[0] ?? null,
      rating: opinion.rating,
      comment,
      plan: exchange.final?.plan ?? null, // another may serve by now
    };
    give.mutate({ body, note: opinion }, { onError: () => (sent.current = false) });
  };
  const choose = (chosen: Rating) => {
    if (sent.current || given) return;
    setRating(chosen);
    if (chosen === 1) send({ rating: 1, citedRight: true }, "");
  };
  return (
    <Stack gap="xs">
      <Group gap={6}>
        <Thumb rating={1} chosen={rating} choose={choose} disabled={given !== null || give.isPending} />
        <Thumb rating={-1} chosen={rating} choose={choose} disabled={given !== null || give.isPending} />
        {given && (
          <Text size="sm" c="dimmed" role="status">
            {t("chat.thanks")}
          </Text>
        )}
      </Group>
      {rating === -1 && !given && (
        <ReasonForm
          refused={exchange.final?.refused ?? false}
          sending={give.isPending}
          send={(reason, citedRight) => send({ rating: -1, citedRight }, reason)}
        />
      )}
      {given && <MakeCase collection={collection} exchange={exchange} {...given} />}
    </Stack>
  );
}

interface ThumbProps {
  rating: Rating;
  chosen: Rating | null;
  choose: (rating: Rating) => void;
  disabled: boolean;
}

function Thumb({ rating, chosen, choose, disabled }: ThumbProps) {
  const { t } = useSpeech();
  const Icon = rating === 1 ? ThumbsUp : ThumbsDown;
  const name = t(rating === 1 ? "chat.helpful" : "chat.not-helpful");
  return (
    <Tooltip label={name}>
      <ActionIcon
        variant={chosen === rating ? "filled" : "default"}
        color={rating === 1 ? "green" : "red"}
        onClick={() => choose(rating)}
        aria-label={name}
        aria-pressed={chosen === rating}
        disabled={disabled && chosen !== rating}
      >
        <Icon size={15} aria-hidden />
      </ActionIcon>
    </Tooltip>
  );
}

interface ReasonFormProps {
  refused: boolean;
  sending: boolean;
  /** Hears the reason, and whether what was cited is nevertheless right. */
  send: (comment: string, citedRight: boolean) => void;
}

function ReasonForm({ refused, send, sending }: ReasonFormProps) {
  const { t } = useSpeech();
  const reasons = refused ? REASONS_REFUSED : REASONS;
  const [reason, setReason] = useState(reasons[0]?.value ?? "");
  const [words, setWords] = useState("");
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        const citedRight = reasons.find(({ value }) => value === reason)?.citedRight ?? false;
        send(words.trim() ? `${reason}: ${words.trim()}` : reason, citedRight);
      }}
    >
      <Stack gap="xs">
        <Radio.Group label={t("chat.what-is-wrong")} value={reason} onChange={setReason}>
          <Group gap="md" mt={4}>
            {reasons.map(({ value, label }) => (
              <Radio key={value} value={value} label={t(label)} size="xs" />
            ))}
          </Group>
        </Radio.Group>
        <Group align="flex-end" gap="sm">
          <TextInput
            label={t("chat.in-words")}
            size="xs"
            value={words}
            onChange={(event) => setWords(event.currentTarget.value)}
            flex="1 1 260px"
          />
          <Button type="submit" size="xs" loading={sending}>
            {t("chat.send")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

interface CaseProps {
  collection: string;
  exchange: Exchange;
  rating: Rating;
  citedRight: boolean;
}

function MakeCase({ collection, exchange, rating, citedRight }: CaseProps) {
  const { t } = useSpeech();
  const allows = useAllows();
  const [right, setRight] = useState<readonly (readonly [string, string])[]>([]);
  const [saved, setSaved] = useState(false);
  const save = useSaveCase(collection, () => setSaved(true));
  if (!allows("write") || saved) return null;
  const judged: Record<string, number> = Object.fromEntries(citedKeys(exchange).map((key) => [key, citedRight ? 1 : 0]));
  for (const [key] of right) judged[key] = 1;
  const nothing = Object.keys(judged).length === 0;
  return (
    <Stack gap="xs">
      {rating === -1 && (
        <DocumentChoice
          collection={collection}
          label={t("chat.right-document")}
          choose={(key, title) => setRight([...right.filter(([one]) => one !== key), [key, title]])}
        />
      )}
      {right.length > 0 && <Text size="sm">{t("chat.right-ones", { titles: right.map(([key, title]) => title || key).join(", ") })}</Text>}
      <Group gap="sm">
        <Button
          size="xs"
          variant="light"
          disabled={nothing}
          loading={save.isPending}
          onClick={() => save.mutate({ set: CASES, text: exchange.question, judgements: judged })}
        >
          {t("chat.make-case", { set: CASES })}
        </Button>
        {nothing && <Text size="xs" c="dimmed">{t("chat.case-needs")}</Text>}
      </Group>
    </Stack>
  );
}

/** The documents that an answer cites, each once. */
function citedKeys(exchange: Exchange): string[] {
  if (exchange.final?.refused) return [];
  return [...new Set(exchange.citations.map((one) => keyOf(one.document_id)))];
}
