/** The values of a plan as a form, whatever fields this server's plans have. */
import { Button, Group, JsonInput, Select, Stack, Switch, Text, TextInput } from "@mantine/core";
import { useState } from "react";
import { NumberField } from "@/components/NumberField";
import { Drawer } from "@/components/overlays";
import { useSpeech } from "@/i18n";
import { OPTIONAL, type PlanValues } from "./choice";

const CHOICES: Readonly<Record<string, readonly string[]>> = {
  fusion: ["convex", "rrf", "sparse", "dense"],
  normalisation: ["best", "min-max", "z-score", "bounds"],
};
const TEXTS = new Set(["adapter", "ranker"]); // names, also where there is none yet
const FIXED = new Set(["version"]); // the form of the plan itself

interface Props {
  opened: boolean;
  close: () => void;
  values: PlanValues;
  done: (values: PlanValues) => void;
}

export function PlanEditor({ opened, close, values, done }: Props) {
  const { t } = useSpeech();
  return (
    <Drawer opened={opened} onClose={close} title={t("search.adjust-title")}>
      {opened && <Form values={values} done={done} />}
    </Drawer>
  );
}

function Form({ values, done }: { values: PlanValues; done: (values: PlanValues) => void }) {
  const { t } = useSpeech();
  const [now, setNow] = useState<PlanValues>({ ...OPTIONAL, ...values });
  const [broken, setBroken] = useState<readonly string[]>([]);
  const set = (name: string, value: unknown) => setNow((former) => ({ ...former, [name]: value }));
  const setText = (name: string, text: string) => {
    try {
      set(name, text.trim() ? JSON.parse(text) : null);
      setBroken(broken.filter((one) => one !== name));
    } catch {
      setBroken([...broken.filter((one) => one !== name), name]);
    }
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        done(Object.fromEntries(Object.entries(now).filter(([, value]) => value !== null)));
      }}
    >
      <Stack>
        <Text size="sm" c="dimmed">
          {t("search.adjust-text")}
        </Text>
        {Object.entries(now)
          .filter(([name]) => !FIXED.has(name))
          .map(([name, value]) => (
            <Field key={name} name={name} value={value} set={(changed) => set(name, changed)} setText={(text) => setText(name, text)} />
          ))}
        <Group justify="flex-end">
          <Button type="submit" disabled={broken.length > 0}>
            {t("search.adjust-done")}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}

interface FieldProps {
  name: string;
  value: unknown;
  set: (value: unknown) => void;
  setText: (text: string) => void;
}

function Field({ name, value, set, setText }: FieldProps) {
  const { textOr } = useSpeech();
  const shared = { label: textOr(`plan.${name}`, name), description: textOr(`plan.${name}-hint`, name) };
  const choices = CHOICES[name];
  if (choices) {
    const data = choices.map((one) => ({ value: one, label: textOr(`plan.${name}-${one}`, one) }));
    return <Select {...shared} data={data} value={String(value)} onChange={(chosen) => chosen && set(chosen)} allowDeselect={false} />;
  }
  if (typeof value === "boolean") {
    return <Switch {...shared} checked={value} onChange={(event) => set(event.currentTarget.checked)} />;
  }
  if (typeof value === "number") {
    const step = Number.isInteger(value) && value > 1 ? 1 : 0.05;
    return <NumberField {...shared} value={value} change={set} step={step} min={0} />;
  }
  if (TEXTS.has(name) || typeof value === "string") {
    const text = typeof value === "string" ? value : "";
    return <TextInput {...shared} value={text} onChange={(event) => set(event.currentTarget.value || null)} />;
  }
  const text = value == null ? "" : JSON.stringify(value);
  return <JsonInput {...shared} defaultValue={text} onChange={setText} autosize minRows={1} />;
}
