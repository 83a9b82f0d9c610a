/** What went wrong, in the words of the API where it said some, with the request's id for the server's log. */
import { Alert, Button, Code, Stack, Text } from "@mantine/core";
import { CircleAlert } from "lucide-react";
import { ApiError } from "@/api/client";
import type { Job } from "@/api/jobs";
import { type Speech, useSpeech } from "@/i18n";
import { withWords } from "@/i18n/words";

/** One sentence for a person: what the error's code means, and what the server says of it. */
export function explain(error: unknown, speech: Speech): string {
  const { t, textOr } = speech;
  if (!(error instanceof ApiError)) return t("failure.unexpected", { what: String(error) });
  if (error.status === 0) return t("failure.unreachable");
  return withWords(textOr(`failure.${error.code}`, ""), error.message, speech) || `${error.status} ${error.code}`;
}

/** Why a job failed, told as `explain` tells an error; "" where it did not. */
export function whyFailed(job: Pick<Job, "error" | "error_code">, speech: Speech): string {
  return withWords(speech.textOr(`failure.${job.error_code}`, ""), job.error, speech);
}

export function Failure({ error, retry }: { error: unknown; retry?: () => void }) {
  const speech = useSpeech();
  const fields = error instanceof ApiError ? fieldsOf(error.detail) : [];
  return (
    <Alert color="red" icon={<CircleAlert size={18} aria-hidden />} title={speech.t("failure.title")} role="alert">
      <Stack gap="xs" align="flex-start">
        <Text size="sm">{explain(error, speech)}</Text>
        {fields.map((field) => (
          <Text size="sm" key={field}>
            {field}
          </Text>
        ))}
        {error instanceof ApiError && error.requestId && (
          <Text size="xs" c="dimmed">
            <Code>{speech.t("common.request", { id: error.requestId })}</Code>
          </Text>
        )}
        {retry && (
          <Button size="xs" variant="default" onClick={retry}>
            {speech.t("common.retry")}
          </Button>
        )}
      </Stack>
    </Alert>
  );
}

/** What a 422 says of each field. */
function fieldsOf(detail: unknown): string[] {
  if (!Array.isArray(detail)) return [];
  return detail.slice(0, 8).map((one: unknown) => (typeof one === "object" && one !== null ? sentence(one) : String(one)));
}

function sentence(one: object): string {
  const said = one as { field?: unknown; loc?: unknown; message?: unknown; msg?: unknown; file?: unknown; error?: unknown };
  const what = said.field ?? said.file ?? (Array.isArray(said.loc) ? said.loc.join(".") : said.loc);
  const why = said.message ?? said.msg ?? said.error ?? JSON.stringify(one);
  return what === undefined ? String(why) : `${String(what)}: ${String(why)}`;
}
