/** Chat: questions answered from the collection, each sentence cited to the exact span, or refused. */
import { Button, Group, Paper, Stack, Text } from "@mantine/core";
import { useEffect, useRef, useState } from "react";
import { useCollection } from "@/api/collections";
import { useSession } from "@/api/session";
import { Empty } from "@/components/Empty";
import { GroupsInput } from "@/components/Groups";
import { Page } from "@/components/Page";
import { type Pointed, SpanDrawer } from "@/components/SpanDrawer";
import { useSpeech } from "@/i18n";
import { Ask } from "./Ask";
import { useConversation } from "./conversation";
import { ExchangeCard } from "./ExchangeCard";

export default function Chat() {
  const { t } = useSpeech();
  const session = useSession();
  const collection = useCollection();
  const [groups, setGroups] = useState<string[]>([]);
  const [pointed, setPointed] = useState<Pointed | null>(null);
  const { exchanges, isWriting, ask, stop, begin, judge } = useConversation(collection, groups);
  const end = useRef<HTMLDivElement>(null);
  useEffect(() => {
    void end.current?.scrollIntoView({ block: "end" }); // newer browsers return a promise, which is no clean-up
  }, [exchanges.length]);
  const actions = exchanges.length > 0 && (
    <Button variant="default" onClick={begin}>
      {t("chat.begin-anew")}
    </Button>
  );
  return (
    <Page title={t("page.chat")} lead={t("chat.lead", { collection })} actions={actions}>
      <Stack gap="md" maw={900}>
        {exchanges.length === 0 && <Empty title={t("chat.empty")}>{t("chat.empty-text")}</Empty>}
        <Stack gap="lg" role="log" aria-label={t("chat.conversation")} aria-live="polite" aria-busy={isWriting}>
          {exchanges.map((one) => (
            <ExchangeCard
              key={one.id}
              collection={collection}
              exchange={one}
              open={setPointed}
              again={() => void ask(one.question)}
              judge={(opinion) => judge(one.id, opinion)}
            />
          ))}
        </Stack>
        <Paper withBorder radius="md" p="sm">
          <Ask isWriting={isWriting} ask={(question) => void ask(question)} stop={stop} />
          {session.scope === "admin" && (
            <Group mt="sm">
              <GroupsInput label={t("search.as-groups")} hint={t("search.as-groups-hint")} value={groups} change={setGroups} size="xs" />
            </Group>
          )}
        </Paper>
        <Text size="xs" c="dimmed">
          {t("chat.hint")}
        </Text>
        <div ref={end} />
      </Stack>
      <SpanDrawer collection={collection} pointed={pointed} close={() => setPointed(null)} />
    </Page>
  );
}
