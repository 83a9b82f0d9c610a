/** After a refusal: the passages that came nearest, so that a person can judge himself. */
import { Anchor, Stack, Text } from "@mantine/core";
import type { Hit } from "@/api/search";
import type { Pointed } from "@/components/SpanDrawer";
import { useSpeech } from "@/i18n";
import classes from "./Chat.module.css";

const SHOWN = 3;

export function Nearest({ read, open }: { read: readonly Hit[]; open: (pointed: Pointed) => void }) {
  const { t } = useSpeech();
  if (read.length === 0) return <Text size="sm">{t("chat.read-nothing")}</Text>;
  return (
    <div>
      <Text size="sm" fw={600} mb={4}>
        {t("chat.nearest")}
      </Text>
      <Stack gap={8} component="ul" className={classes.citations}>
        {read.slice(0, SHOWN).map((hit) => (
          <li key={hit.chunk_id} className={classes.citation}>
            <Anchor
              component="button"
              type="button"
              fz="sm"
              onClick={() => open({ key: hit.key, title: hit.title, start: hit.start, end: hit.end })}
            >
              {hit.title || hit.key}
            </Anchor>
            <Text size="sm" lineClamp={2}>
              {hit.text}
            </Text>
          </li>
        ))}
      </Stack>
    </div>
  );
}
