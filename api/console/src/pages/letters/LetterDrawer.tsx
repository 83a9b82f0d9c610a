/** One dead letter: why, what to do, the row beside the one that is stored, the message itself. */
import { Alert, Anchor, Button, Group, Stack, Table, Text, Title } from "@mantine/core";
import { CircleCheck, RotateCcw, Trash2, TriangleAlert } from "lucide-react";
import { useEffect, useState } from "react";
import { Link } from "react-router";
import type { Model } from "@/api/client";
import { documentPath } from "@/api/documents";
import { type Letter, useDropOne, useLetter, useReplayOne } from "@/api/letters";
import { CodeText, pretty } from "@/components/CodeText";
import { useConfirm } from "@/components/confirm";
import { Failure } from "@/components/Failure";
import { Loading } from "@/components/Loaded";
import { Drawer } from "@/components/overlays";
import { Time } from "@/components/Time";
import { useSpeech } from "@/i18n";
import { RowDifference } from "./RowDifference";

interface Props {
  collection: string;
  id: number | null;
  close: () => void;
}

export function LetterDrawer({ collection, id, close }: Props) {
  const { t } = useSpeech();
  return (
    <Drawer
      opened={id !== null}
      onClose={close}
      closeOnClickOutside
      title={t("letters.one")}
      size="min(860px, 100vw)"
    >
      {id !== null && <Content key={id} collection={collection} id={id} close={close} />}
    </Drawer>
  );
}

function Content({ collection, id, close }: { collection: string; id: number; close: () => void }) {
  const letter = useLetter(collection, id);
  const [kept, setKept] = useState<Letter | null>(null);
  const [told, setTold] = useState<Model<"Replay"> | null>(null);
  useEffect(() => {
    if (letter.data) setKept(letter.data); // a settled letter is gone from the server and stays to be read here
  }, [letter.data]);
  const settled = told !== null && told.failed === 0;
  if (kept === null) return letter.isError ? <Failure error={letter.error} /> : <Loading />;
  return (
    <Stack>
      {told && <Outcome told={told} />}
      <Why letter={kept} />
      {!settled && <Acts collection={collection} letter={kept} close={close} told={setTold} />}
      {kept.document && <StillServed collection={collection} document={kept.document} />}
      {kept.row && <RowDifference row={kept.row} />}
      <Payload letter={kept} />
    </Stack>
  );
}

function Outcome({ told }: { told: Model<"Replay"> }) {
  const { t } = useSpeech();
  if (told.failed === 0) {
    return (
      <Alert color="green" icon={<CircleCheck size={18} aria-hidden />} role="status">
        {t("letters.settled")}
      </Alert>
    );
  }
  return (
    <Alert color="red" icon={<TriangleAlert size={18} aria-hidden />} title={t("letters.failed-again")} role="status">
      {told.failures[0]?.reason}
    </Alert>
  );
}

function Why({ letter }: { letter: Letter }) {
  const { t } = useSpeech();
  return (
    <Stack gap={4}>
      <Title order={3} size="h5">
        {letter.key}
      </Title>
      <Text size="sm" c="dimmed">
        {letter.source} · <Time value={letter.at} />
        {letter.topic && ` · ${t("letters.place", { topic: letter.topic, partition: String(letter.partition), offset: String(letter.offset) })}`}
      </Text>
      <Alert color="red" icon={<TriangleAlert size={18} aria-hidden />} title={t("common.reason")}>
        {letter.reason}
      </Alert>
      {letter.remedy && (
        <Alert color="blue" title={t("letters.remedy")}>
          {letter.remedy}
        </Alert>
      )}
    </Stack>
  );
}

interface ActsProps {
  collection: string;
  letter: Letter;
  close: () => void;
  told: (told: Model<"Replay">) => void;
}

function Acts({ collection, letter, close, told }: ActsProps) {
  const { t } = useSpeech();
  const confirm = useConfirm();
  const replay = useReplayOne(collection, told);
  const drop = useDropOne(collection, close);
  const dropIt = async () => {
    const question = { title: t("letters.drop-title", { key: letter.key }), body: t("letters.drop-text") };
    if (await confirm({ ...question, action: t("letters.drop"), danger: true })) drop.mutate(letter.id);
  };
  return (
    <Group gap="xs">
      {letter.topic ? (
        <Button leftSection={<RotateCcw size={16} aria-hidden />} loading={replay.isPending} onClick={() => replay.mutate(letter.id)}>
          {t("letters.replay")}
        </Button>
      ) : (
        <Text size="sm" maw={420}>
          {t("letters.no-replay")}{" "}
          <Anchor underline="always" component={Link} to={`/c/${collection}/sources/${encodeURIComponent(letter.source)}`}>
            {letter.source}
          </Anchor>
        </Text>
      )}
      <Button
        variant="outline"
        color="red"
        leftSection={<Trash2 size={16} aria-hidden />}
        loading={drop.isPending}
        onClick={() => void dropIt()}
      >
        {t("letters.drop")}
      </Button>
    </Group>
  );
}

function StillServed({ collection, document }: { collection: string; document: Model<"LetterDocument"> }) {
  const { t } = useSpeech();
  return (
    <Alert color="yellow" title={t("letters.still-served")}>
      <Text size="sm">
        <Anchor underline="always" component={Link} to={documentPath(collection, document.key)}>
          {document.title || document.key}
        </Anchor>{" "}
        · {t("letters.as-of")} <Time value={document.as_of} />
      </Text>
    </Alert>
  );
}

function Payload({ letter }: { letter: Letter }) {
  const { t } = useSpeech();
  return (
    <Stack gap={4}>
      <Title order={3} size="h5">
        {t("letters.payload")}
      </Title>
      {letter.payload == null ? (
        <Text size="sm" c="dimmed">
          {t("letters.no-payload")}
        </Text>
      ) : (
        <CodeText value={pretty(letter.payload)} label={t("letters.payload")} height={420} />
      )}
      {letter.message_key && (
        <>
          <Title order={3} size="h5" mt="xs">
            {t("letters.message-key")}
          </Title>
          <CodeText value={pretty(letter.message_key)} label={t("letters.message-key")} height={140} />
        </>
      )}
      {letter.headers && letter.headers.length > 0 && <Headers headers={letter.headers} />}
    </Stack>
  );
}

/** In the message's order; a name may come more than once. */
function Headers({ headers }: { headers: readonly Model<"LetterHeader">[] }) {
  const { t } = useSpeech();
  return (
    <>
      <Title order={3} size="h5" mt="xs">
        {t("letters.headers")}
      </Title>
      <Table verticalSpacing={6} layout="fixed" aria-label={t("letters.headers")} style={{ overflowWrap: "anywhere" }}>
        <Table.Thead>
          <Table.Tr>
            <Table.Th scope="col">{t("letters.header")}</Table.Th>
            <Table.Th scope="col">{t("letters.value")}</Table.Th>
          </Table.Tr>
        </Table.Thead>
        <Table.Tbody>
          {headers.map(({ name, value }, place) => (
            <Table.Tr key={place}>
              <Table.Th scope="row">{name}</Table.Th>
              <Table.Td>{value}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </>
  );
}
