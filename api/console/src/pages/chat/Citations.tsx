/** What an answer stands on: each cited stretch, with the document it is in and as of when that is. */
import { Anchor, Stack, Text } from "@mantine/core";
import type { Citation } from "@/api/answers";
import { keyOf } from "@/api/documents";
import { Time } from "@/components/Time";
import { useSpeech } from "@/i18n";
import { placeOf } from "@/lib/place";
import classes from "./Chat.module.css";

interface Props {
  citations: readonly Citation[];
  cite: (number: number) => void;
}

export function Citations({ citations, cite }: Props) {
  const speech = useSpeech();
  const { t } = speech;
  if (citations.length === 0) return null;
  return (
    <Stack gap={8} component="ol" className={classes.citations} aria-label={t("chat.citations")}>
      {citations.map((one) => (
        <li key={one.number} className={classes.citation}>
          <Text size="xs" c="dimmed" component="div">
            [{one.number}]{" "}
            <Anchor component="button" type="button" onClick={() => cite(one.number)} fz="xs" fw={600}>
              {one.title || keyOf(one.document_id)}
            </Anchor>{" "}
            · {keyOf(one.document_id)} · {placeOf(one, speech) && `${placeOf(one, speech)} · `}
            {t("documents.as-of")} <Time value={one.as_of} />
          </Text>
          <Text size="sm" lineClamp={3}>
            {one.quote}
          </Text>
        </li>
      ))}
    </Stack>
  );
}
