/** A set from two files, as `kb eval` reads them. */
import { Alert, Code, FileInput, Stack, Text } from "@mantine/core";
import { useEffect, useState } from "react";
import type { NewQuestion } from "@/api/evaluation";
import { useSpeech } from "@/i18n";
import { LineError, type Read, readSet } from "./files";

const SHOWN = 80; // characters of a line that does not fit
const FILES = {
  queries: { example: '{"id": "q1", "text": "How long is the warranty?"}', name: "queries.jsonl", accept: ".jsonl,.json,.ndjson,.txt" },
  qrels: { example: "q1⇥faq/12⇥1", name: "qrels.tsv", accept: ".tsv,.txt,.csv" },
} as const;

export function FromFiles({ change }: { change: (queries: readonly NewQuestion[]) => void }) {
  const { t } = useSpeech();
  const [queries, setQueries] = useState<File | null>(null);
  const [qrels, setQrels] = useState<File | null>(null);
  const [read, setRead] = useState<Read | LineError | null>(null);
  useEffect(() => {
    setRead(null);
    change([]);
    if (!queries || !qrels) return;
    let current = true;
    const ready = async () => {
      const texts = await Promise.all([queries.text(), qrels.text()]);
      const found = attempt(() => readSet(texts[0], texts[1]));
      if (!current) return;
      setRead(found);
      change(found instanceof LineError ? [] : found.queries);
    };
    void ready();
    return () => {
      current = false;
    };
    // `change` is another function each time
  }, [queries, qrels]);
  return (
    <Stack gap="sm">
      <Text size="sm">{t("eval.files-lead")}</Text>
      <OneFile kind="queries" file={queries} change={setQueries} />
      <OneFile kind="qrels" file={qrels} change={setQrels} />
      {read && <Outcome read={read} />}
    </Stack>
  );
}

interface OneFileProps {
  kind: keyof typeof FILES;
  file: File | null;
  change: (file: File | null) => void;
}

function OneFile({ kind, file, change }: OneFileProps) {
  const { t } = useSpeech();
  const { example, name, accept } = FILES[kind];
  return (
    <FileInput
      label={t(`eval.${kind}-file`)}
      description={<Code>{example}</Code>}
      placeholder={name}
      accept={accept}
      value={file}
      onChange={change}
      clearable
      clearButtonProps={{ "aria-label": t("common.delete") }}
    />
  );
}

function Outcome({ read }: { read: Read | LineError }) {
  const { t } = useSpeech();
  if (read instanceof LineError) {
    const words = { line: read.line, text: read.text.slice(0, SHOWN) };
    return (
      <Alert color="red" role="alert">
        {t(`eval.${read.file}-wrong`, words)}
      </Alert>
    );
  }
  return (
    <Stack gap="xs">
      <Alert color={read.queries.length > 0 ? "green" : "red"} py="xs">
        {t("eval.files-read", { count: read.queries.length })}
      </Alert>
      {read.unjudged > 0 && <Doubt>{t("eval.files-unjudged", { count: read.unjudged })}</Doubt>}
      {read.unknown.length > 0 && (
        <Doubt>{t("eval.files-unknown", { count: read.unknown.length, first: read.unknown[0] ?? "" })}</Doubt>
      )}
    </Stack>
  );
}

function Doubt({ children }: { children: string }) {
  return (
    <Alert color="yellow" py="xs">
      {children}
    </Alert>
  );
}

function attempt(read: () => Read): Read | LineError {
  try {
    return read();
  } catch (error) {
    if (error instanceof LineError) return error;
    throw error;
  }
}
