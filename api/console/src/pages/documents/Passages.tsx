/** The text beside the passages it was cut into; choosing one marks it in the text. */
import { Stack, Text, Title, UnstyledButton } from "@mantine/core";
import { useState } from "react";
import type { DocumentView, Passage } from "@/api/documents";
import { Columns } from "@/components/Columns";
import { SourceText } from "@/components/SourceText";
import { useSpeech } from "@/i18n";
import classes from "./Passages.module.css";

type Span = readonly [number, number];

interface Props {
  document: DocumentView;
  /** What is marked at first: the stretch that was cited. */
  span: Span | null;
}

export function Passages({ document, span }: Props) {
  const { t } = useSpeech();
  const [marked, setMarked] = useState<Span | null>(span);
  const passages = document.passages ?? [];
  return (
    <Columns least={330}>
      <section>
        <Title order={2} size="h5" mb={6}>
          {t("documents.text")}
        </Title>
        <SourceText text={document.text} span={marked} label={t("documents.text")} height="68vh" />
      </section>
      <section>
        <Title order={2} size="h5" mb={6}>
          {t("documents.passages-count", { count: passages.length })}
        </Title>
        <Stack gap={8} className={classes.list} component="ul">
          {passages.map((passage, place) => (
            <li key={passage.chunk_id}>
              <One
                passage={passage}
                number={place + 1}
                chosen={marked?.[0] === passage.start && marked[1] === passage.end}
                choose={() => setMarked([passage.start, passage.end])}
              />
            </li>
          ))}
        </Stack>
      </section>
    </Columns>
  );
}

interface OneProps {
  passage: Passage;
  number: number;
  chosen: boolean;
  choose: () => void;
}

function One({ passage, number, chosen, choose }: OneProps) {
  const { t } = useSpeech();
  return (
    <UnstyledButton className={classes.passage} onClick={choose} aria-pressed={chosen}>
      <Text size="xs" c="dimmed" fw={600} component="span" display="block">
        {t("documents.passage", { number })}
        {passage.heading && ` · ${passage.heading}`}
        {passage.page != null && ` · ${t("documents.page", { page: passage.page })}`}
      </Text>
      <Text size="sm" lineClamp={5} component="span" className={classes.words}>
        {passage.text}
      </Text>
    </UnstyledButton>
  );
}
