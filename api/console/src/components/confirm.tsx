/** Asks once before an act that cannot simply be taken back, and names the thing. */
import { Button, Group, Stack, Text } from "@mantine/core";
import { createContext, type ReactNode, useCallback, useContext, useEffect, useRef, useState } from "react";
import { useSpeech } from "@/i18n";
import { Modal } from "./overlays";

export interface Question {
  title: string;
  body: ReactNode;
  /** The act's verb, on the button. */
  action: string;
  danger?: boolean;
}

type Ask = (question: Question) => Promise<boolean>;
const AskContext = createContext<Ask | null>(null);

export function ConfirmProvider({ children }: { children: ReactNode }) {
  const { t } = useSpeech();
  const [asked, setAsked] = useState<(Question & { answer: (yes: boolean) => void }) | null>(null);
  const [opened, setOpened] = useState(false);
  const ask = useCallback<Ask>((question) => {
    setOpened(true);
    return new Promise((resolve) => setAsked({ ...question, answer: resolve }));
  }, []);
  const open = useRef(asked);
  open.current = asked;
  useEffect(() => () => open.current?.answer(false), []); // the session ended; an answer given before stays
  const end = (yes: boolean) => {
    asked?.answer(yes);
    setOpened(false);
  };
  return (
    <AskContext.Provider value={ask}>
      {children}
      <Modal
        opened={opened}
        onClose={() => end(false)}
        zIndex={400} // above the drawer that it was asked from
        title={asked?.title}
      >
        <Stack>
          <Text size="sm" component="div">
            {asked?.body}
          </Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={() => end(false)} data-autofocus>
              {t("common.cancel")}
            </Button>
            <Button color={asked?.danger ? "red" : undefined} onClick={() => end(true)}>
              {asked?.action}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </AskContext.Provider>
  );
}

/** A function that asks; true where the person agreed. */
export function useConfirm(): Ask {
  const ask = useContext(AskContext);
  if (ask === null) throw new Error("useConfirm is used outside of ConfirmProvider");
  return ask;
}
