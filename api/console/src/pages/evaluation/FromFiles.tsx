/** A set from two files, as `kb eval` reads them. */
import { Alert, Code, FileInput, Stack, Text } from "@mantine/core";
import { useEffect, useState } from "react";
import type { NewQuestion } from "@/api/evaluation";
import { useSpeech } from "@/i18n";
import { LineError, type Read, readSet } from "./files";

const SHOWN = 80; // characters of a line that does not fit

export function FromFiles({ change }: { change: (queries: readonly NewQuestion[]) => void }) {
  const { t } = useSpeech();
  const [queries, setQueries] = useState<File | null>(null);
  const [qrels, setQrels] = useState<File | null>(null);
  const [read, setRead] = useState<Read | LineError | null>(null);
  useEffect(() => {
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
      <FileInput
        label={t("eval.queries-file")}
        description={<Code>{'{"id": "q1", "text": "How long is the warranty?"}'}</Code>}
        placeholder="queries.jsonl"
        accept=".jsonl,.json,.ndjson,.txt"
        value={queries}
        onChange={setQueries}
        clearable
        clearButtonProps={{ "aria-label": t("common.delete") }}
      />
      <FileInput
        label={t("eval.qrels-file")}
        description={<Code>{"q1⇥faq/12⇥1"}</Code>}
        placeholder="qrels.tsv"
        accept=".tsv,.txt,.csv"
        value={qrels}
        onChange={setQrels}
        clearable
        clearButtonProps={{ "aria-label": t("common.delete") }}
      />
      {read && <Outcome read={read} />}
    </Stack>
  );
}

function Outcome({ read }: { read: Read | LineError }) {
  const { t } = useSpeech();
  if (read instanceof LineError) {
    const words = { line: read.line, text: read.text.slice(0, SHOWN) };
    return (
      <Alert color="red" role="alert">
        {read.file === "queries" ? t("eval.queries-wrong", words) : t("eval.qrels-wrong", words)}
      </Alert>
    );
  }
  return (
    <Stack gap="xs">
      <Alert color={read.queries.length > 0 ? "green" : "red"} py="xs">
        {t("eval.files-read", { count: read.queries.length })}
      </Alert>
      {read.unjudged > 0 && (
        <Alert color="yellow" py="xs">
          {t("eval.files-unjudged", { count: read.unjudged })}
        </Alert>
      )}
      {read.unknown.length > 0 && (
        <Alert color="yellow" py="xs">
          {t("eval.files-unknown", { count: read.unknown.length, first: read.unknown[0] ?? "" })}
        </Alert>
      )}
    </Stack>
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
