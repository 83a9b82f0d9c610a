/** Where the question is written: Enter asks, Shift and Enter begin a new line. */
import { Button, Group, Textarea } from "@mantine/core";
import { SendHorizontal, Square } from "lucide-react";
import { type KeyboardEvent, useState } from "react";
import { useSpeech } from "@/i18n";

interface Props {
  isWriting: boolean;
  ask: (question: string) => void;
  stop: () => void;
}

export function Ask({ isWriting, ask, stop }: Props) {
  const { t } = useSpeech();
  const [typed, setTyped] = useState("");
  const send = () => {
    if (!typed.trim() || isWriting) return;
    ask(typed.trim());
    setTyped("");
  };
  const pressed = (event: KeyboardEvent) => {
    // While an input method composes Chinese, Enter chooses the word.
    if (event.key !== "Enter" || event.shiftKey || event.nativeEvent.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <Group align="flex-end" gap="sm" wrap="nowrap">
        <Textarea
          label={t("chat.question")}
          placeholder={t("chat.question-hint")}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          onKeyDown={pressed}
          autosize
          minRows={1}
          maxRows={8}
          flex={1}
        />
        {isWriting ? (
          <Button variant="default" onClick={stop} leftSection={<Square size={14} aria-hidden />}>
            {t("chat.stop")}
          </Button>
        ) : (
          <Button type="submit" disabled={!typed.trim()} leftSection={<SendHorizontal size={15} aria-hidden />}>
            {t("chat.ask")}
          </Button>
        )}
      </Group>
    </form>
  );
}
