/** One hit: where it stands, what it says, why it stands there, and whether it is right. */
import { ActionIcon, Anchor, Badge, Group, Paper, Stack, Text, Tooltip } from "@mantine/core";
import { ThumbsDown, ThumbsUp } from "lucide-react";
import type { Hit } from "@/api/search";
import { Marked } from "@/components/Marked";
import { useSpeech } from "@/i18n";
import { Contributions } from "./Contributions";
import type { Grade } from "./grades";

const SHOWN_LETTERS = 320;

interface Props {
  hit: Hit;
  place: number;
  most: number;
  /** Its place in the other plan's result: null when it is not there, undefined without another plan. */
  elsewhere?: number | null;
  grade?: Grade | undefined;
  judge?: ((grade: Grade) => void) | undefined;
  open: () => void;
}

export function HitCard({ hit, place, most, elsewhere, grade, judge, open }: Props) {
  const { t, language } = useSpeech();
  return (
    <Paper withBorder radius="md" p="sm" component="article" aria-label={hit.title || hit.key}>
      <Stack gap={6}>
        <Group justify="space-between" wrap="nowrap" align="flex-start" gap="xs">
          <div>
            <Text size="sm" component="div">
              <Anchor component="button" type="button" onClick={open} fw={600} ta="left">
                <Text span inherit fw={700} c="dimmed">
                  {place}.
                </Text>{" "}
                {hit.title || hit.key}
              </Anchor>{" "}
              <Moved place={place} elsewhere={elsewhere} />
            </Text>
            <Text size="xs" c="dimmed">
              {hit.key} · {t("search.score", { score: hit.score.toLocaleString(language, { maximumFractionDigits: 3 }) })}
            </Text>
          </div>
          {judge && <Judge grade={grade} judge={judge} />}
        </Group>
        <Text size="sm" component="div">
          <Snippet hit={hit} />
        </Text>
        <Contributions hit={hit} most={most} />
      </Stack>
    </Paper>
  );
}

function Snippet({ hit }: { hit: Hit }) {
  const found = hit.highlights[0];
  if (found) return <Marked text={found.text} spans={found.marks as [number, number][]} />;
  return hit.text.length > SHOWN_LETTERS ? `${hit.text.slice(0, SHOWN_LETTERS)}…` : hit.text;
}

function Moved({ place, elsewhere }: { place: number; elsewhere?: number | null | undefined }) {
  const { t } = useSpeech();
  if (elsewhere === undefined || elsewhere === place) return null;
  if (elsewhere === null) {
    return (
      <Badge size="sm" variant="light" color="blue" tt="none">
        {t("search.only-here")}
      </Badge>
    );
  }
  const steps = Math.abs(elsewhere - place);
  const better = place < elsewhere;
  return (
    <Badge size="sm" variant="light" color={better ? "green" : "yellow"} tt="none">
      {t(better ? "search.higher" : "search.lower", { steps })}
    </Badge>
  );
}

function Judge({ grade, judge }: { grade: Grade | undefined; judge: (grade: Grade) => void }) {
  const { t } = useSpeech();
  return (
    <Group gap={4} wrap="nowrap">
      <Tooltip label={t("search.right")}>
        <ActionIcon
          variant={grade === 1 ? "filled" : "default"}
          color="green"
          onClick={() => judge(1)}
          aria-label={t("search.right")}
          aria-pressed={grade === 1}
        >
          <ThumbsUp size={15} aria-hidden />
        </ActionIcon>
      </Tooltip>
      <Tooltip label={t("search.wrong")}>
        <ActionIcon
          variant={grade === 0 ? "filled" : "default"}
          color="red"
          onClick={() => judge(0)}
          aria-label={t("search.wrong")}
          aria-pressed={grade === 0}
        >
          <ThumbsDown size={15} aria-hidden />
        </ActionIcon>
      </Tooltip>
    </Group>
  );
}
