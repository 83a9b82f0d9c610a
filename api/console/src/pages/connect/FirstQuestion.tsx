/** Ask the new collection something at once: an answer with what it stands on. */
import { Alert, Anchor, Button, Group, Paper, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { Link } from "react-router";
import { useMutation } from "@tanstack/react-query";
import { api, call, type Model } from "@/api/client";
import { documentPath, keyOf } from "@/api/documents";
import { Failure } from "@/components/Failure";
import { SectionHead } from "@/components/SectionHead";
import { useSpeech } from "@/i18n";
import { placeOf } from "@/lib/place";

export function FirstQuestion({ collection }: { collection: string }) {
  const { t } = useSpeech();
  const [question, setQuestion] = useState("");
  const ask = useMutation({
    mutationFn: async (asked: string) =>
      (await call(api.POST("/v1/answers", { body: { question: asked, collection, stream: false } }))) as Model<"AnswerResponse">,
  });
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (question.trim()) ask.mutate(question.trim());
  };
  return (
    <Paper withBorder radius="md" p="md">
      <Stack gap="sm">
        <SectionHead title={t("connect.ask")} hint={t("connect.ask-hint")} />
        <form onSubmit={submit}>
          <Group align="flex-end" gap="sm" wrap="nowrap">
            <TextInput
              label={t("connect.question")}
              value={question}
              onChange={(event) => setQuestion(event.currentTarget.value)}
              flex={1}
              maxLength={2000}
            />
            <Button type="submit" loading={ask.isPending} disabled={question.trim() === ""}>
              {t("connect.ask-go")}
            </Button>
          </Group>
        </form>
        {ask.isError && <Failure error={ask.error} />}
        {ask.data && <Answered answer={ask.data} collection={collection} />}
      </Stack>
    </Paper>
  );
}

function Answered({ answer, collection }: { answer: Model<"AnswerResponse">; collection: string }) {
  const speech = useSpeech();
  if (answer.refused) {
    return (
      <Alert color="yellow" role="status">
        {answer.answer}
      </Alert>
    );
  }
  return (
    <Stack gap={6} role="status" aria-label={speech.t("connect.answer")}>
      <Text>{answer.answer}</Text>
      {answer.citations.map((one) => (
        <Text size="sm" key={one.number}>
          [{one.number}]{" "}
          <Anchor underline="always" component={Link} to={documentPath(collection, keyOf(one.document_id), { start: one.start, end: one.end })}>
            {one.title || keyOf(one.document_id)}
          </Anchor>
          {placeOf(one, speech) && ` · ${placeOf(one, speech)}`}: “{one.quote}”
        </Text>
      ))}
    </Stack>
  );
}
