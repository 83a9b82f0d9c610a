/** Starts work once, or has it done again and again. */
import { Button, Group, JsonInput, SegmentedControl, Select, Stack, Text, TextInput } from "@mantine/core";
import { type FormEvent, useState } from "react";
import { useCollections } from "@/api/collections";
import { KINDS_OF_ALL, KINDS_OF_ALL_ONLY, useCreateSchedule, useStartJob } from "@/api/jobs";
import { useModules } from "@/api/models";
import { useAllows } from "@/api/session";
import { Failure } from "@/components/Failure";
import { Drawer } from "@/components/overlays";
import { useSpeech } from "@/i18n";
import { every, INTERVALS } from "./intervals";

const ELSEWHERE = new Set(["upload", "tune"]); // these begin where their files or questions are

export function WorkForm({ opened, close }: { opened: boolean; close: () => void }) {
  const { t } = useSpeech();
  return (
    <Drawer opened={opened} onClose={close} title={t("jobs.new")}>
      <Form close={close} />
    </Drawer>
  );
}

function Form({ close }: { close: () => void }) {
  const speech = useSpeech();
  const { t, textOr } = speech;
  const allows = useAllows();
  const modules = useModules().data ?? [];
  const collections = useCollections().data ?? [];
  const [often, setOften] = useState<"once" | "again">("once");
  const [kind, setKind] = useState("verify");
  const [chosen, setChosen] = useState("");
  const [name, setName] = useState("");
  const [interval, setInterval] = useState(86_400);
  const [args, setArgs] = useState("");
  const start = useStartJob(close);
  const create = useCreateSchedule(close);
  const kinds = modules.filter((one) => one.kind === "task" && !ELSEWHERE.has(one.name));
  const summary = kinds.find((one) => one.name === kind)?.summary ?? "";
  const canBeAll = KINDS_OF_ALL.includes(kind) && allows("operator");
  const canBeOne = !KINDS_OF_ALL_ONLY.includes(kind);
  const collection = canBeOne ? chosen : "";
  const given = readArguments(args);
  const send = (event: FormEvent) => {
    event.preventDefault();
    const work = { kind, collection, arguments: given ?? {} };
    if (often === "once") start.mutate(work);
    else create.mutate({ ...work, name, every_seconds: interval, enabled: true });
  };
  const failed = often === "once" ? start : create;
  const lacks = given === null || (!canBeAll && collection === "") || (often === "again" && name === "");
  return (
    <form onSubmit={send}>
      <Stack>
        <SegmentedControl
          aria-label={t("jobs.how-often")}
          data={[
            { value: "once", label: t("jobs.once") },
            { value: "again", label: t("jobs.again") },
          ]}
          value={often}
          onChange={(value) => setOften(value as "once" | "again")}
        />
        <Select
          label={t("jobs.work")}
          description={textOr(`job-hint.${kind}`, summary)}
          data={kinds.map((one) => ({ value: one.name, label: textOr(`job.${one.name}`, one.name) }))}
          value={kind}
          onChange={(value) => setKind(value ?? kind)}
          allowDeselect={false}
        />
        <Select
          label={t("common.collection")}
          data={[...(canBeAll ? [{ value: "", label: t("jobs.all-collections") }] : []), ...(canBeOne ? collections.map((one) => one.name) : [])]}
          value={collection}
          onChange={(value) => setChosen(value ?? "")}
          allowDeselect={false}
          required={!canBeAll}
        />
        {often === "again" && (
          <Group grow align="flex-start">
            <TextInput
              label={t("jobs.schedule-name")}
              description={t("jobs.schedule-name-hint")}
              value={name}
              onChange={(event) => setName(event.currentTarget.value.trim())}
              required
            />
            <Select
              label={t("jobs.every")}
              description={t("jobs.every-hint")}
              data={INTERVALS.map((seconds) => ({ value: String(seconds), label: every(seconds, speech) }))}
              value={String(interval)}
              onChange={(value) => setInterval(Number(value))}
              allowDeselect={false}
            />
          </Group>
        )}
        <JsonInput
          label={t("jobs.arguments")}
          description={t("jobs.arguments-hint")}
          placeholder={textOr(`job-arguments.${kind}`, "{}")}
          value={args}
          onChange={setArgs}
          validationError={t("jobs.arguments-wrong")}
          autosize
          minRows={2}
        />
        {failed.isError && <Failure error={failed.error} />}
        <Group justify="space-between">
          <Text size="xs" c="dimmed">
            {t("jobs.elsewhere")}
          </Text>
          <Button type="submit" disabled={lacks} loading={failed.isPending}>
            {t(often === "once" ? "jobs.go" : "jobs.schedule-go")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

/** The arguments as an object; null where the text is none. */
function readArguments(text: string): Record<string, unknown> | null {
  if (text.trim() === "") return {};
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
