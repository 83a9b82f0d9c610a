/** A state as a word on a colour; the word alone says it too. */
import { Badge } from "@mantine/core";
import { useSpeech } from "@/i18n";

const COLOURS: Readonly<Record<string, string>> = {
  active: "green",
  succeeded: "green",
  finished: "green",
  serving: "green",
  ok: "green",
  RUNNING: "green",
  running: "blue",
  building: "blue",
  ready: "blue",
  failed: "red",
  error: "red",
  deleting: "red",
  FAILED: "red",
  paused: "yellow",
  PAUSED: "yellow",
  warning: "yellow",
};

export function State({ value }: { value: string }) {
  const { textOr } = useSpeech();
  return (
    <Badge variant="light" color={COLOURS[value] ?? "gray"} tt="none" fw={600}>
      {textOr(`state.${value}`, value)}
    </Badge>
  );
}
