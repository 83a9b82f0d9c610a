/** A hit's score drawn: one bar, a stretch for each leg, and the numbers in words below. */
import { Group, Text, Tooltip } from "@mantine/core";
import type { ReactNode } from "react";
import type { Hit } from "@/api/search";
import { useSpeech } from "@/i18n";
import classes from "./Contributions.module.css";
import { colourOf, LEGS, partsOf } from "./legs";

interface Props {
  hit: Hit;
  /** The sum that fills the whole width, the same for all hits of a result. */
  most: number;
}

export function Contributions({ hit, most }: Props) {
  const { t, textOr, language } = useSpeech();
  const number = (value: number) => value.toLocaleString(language, { maximumFractionDigits: 3 });
  const parts = partsOf(hit);
  const drawn = parts.filter((part) => (part.contribution ?? 0) > 0);
  return (
    <div>
      <div className={classes.bar} aria-hidden>
        {drawn.map((part) => (
          <div
            key={part.leg}
            className={classes.part}
            style={{ width: `${(100 * (part.contribution ?? 0)) / (most || 1)}%`, background: colourOf(part.leg) }}
          />
        ))}
      </div>
      <Group gap="4px 12px" mt={4} component="ul" className={classes.list}>
        {parts.map((part) => (
          <Item key={part.leg} leg={part.leg}>
            {textOr(`search.leg-${part.leg}`, part.leg)} {number(part.contribution ?? part.score ?? 0)}
            {part.rank !== null && <span className={classes.rank}> {t("search.rank", { rank: part.rank })}</span>}
            {part.via && <span className={classes.rank}> {t("search.via", { name: part.via })}</span>}
            {part.share !== null && (
              <span className={classes.rank}> {t("search.answered", { share: Math.round(100 * part.share) })}</span>
            )}
            {part.nearest !== null && (
              <span className={classes.rank}> {t("search.nearest", { nearest: number(part.nearest) })}</span>
            )}
          </Item>
        ))}
      </Group>
    </div>
  );
}

/** What the colours mean. */
export function Legend() {
  const { t, textOr } = useSpeech();
  return (
    <Group gap={14} component="ul" className={classes.list} aria-label={t("search.legend")}>
      {LEGS.map((leg) => (
        <Item key={leg} leg={leg} colour="dimmed">
          {textOr(`search.leg-${leg}`, leg)}
        </Item>
      ))}
    </Group>
  );
}

/** One leg after a dot of its colour; what it is comes up where its name does not say it. */
function Item({ leg, colour, children }: { leg: string; colour?: string; children: ReactNode }) {
  const { textOr } = useSpeech();
  const hint = textOr(`search.leg-${leg}-hint`, "");
  return (
    <Tooltip label={hint} disabled={hint === ""} multiline maw={280} events={{ hover: true, focus: true, touch: true }}>
      <Text component="li" size="xs" c={colour} className={classes.item}>
        <span className={classes.dot} style={{ background: colourOf(leg) }} aria-hidden />
        {children}
      </Text>
    </Tooltip>
  );
}
