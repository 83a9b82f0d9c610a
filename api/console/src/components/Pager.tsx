/** Buttons that turn the pages of a list; nothing where there is one page only. */
import { Button, Group, Text } from "@mantine/core";
import { ChevronLeft, ChevronRight } from "lucide-react";
import { useSpeech } from "@/i18n";

interface Props {
  number: number;
  next: (() => void) | null;
  previous: (() => void) | null;
}

export function Pager({ number, next, previous }: Props) {
  const { t } = useSpeech();
  if (!next && !previous) return null;
  return (
    <Group justify="flex-end" gap="sm" component="nav" aria-label={t("common.page", { number })}>
      <Button
        variant="default"
        size="xs"
        leftSection={<ChevronLeft size={14} aria-hidden />}
        disabled={!previous}
        onClick={previous ?? undefined}
      >
        {t("common.previous")}
      </Button>
      <Text size="sm" aria-live="polite">
        {t("common.page", { number })}
      </Text>
      <Button
        variant="default"
        size="xs"
        rightSection={<ChevronRight size={14} aria-hidden />}
        disabled={!next}
        onClick={next ?? undefined}
      >
        {t("common.next")}
      </Button>
    </Group>
  );
}
