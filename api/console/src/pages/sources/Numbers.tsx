/** A source in numbers. */
import { Anchor } from "@mantine/core";
import { Link } from "react-router";
import { LIVE, type SourceStatus } from "@/api/sources";
import { Tile, Tiles } from "@/components/Tiles";
import { useSpeech } from "@/i18n";
import { size } from "./size";

export function Numbers({ collection, status }: { collection: string; status: SourceStatus }) {
  const { t, language } = useSpeech();
  const lag = status.lag as { events?: number | null; seconds?: number | null; slot_retained_bytes?: number | null };
  const documents = status.documents.toLocaleString(language);
  const letters = status.dead_letters.toLocaleString(language);
  const to = encodeURIComponent(status.name);
  return (
    <Tiles>
      <Tile
        label={t("sources.documents")}
        value={documents}
        hint={
          <Anchor component={Link} to={`/c/${collection}/documents?source=${to}`}>
            {t("sources.see-documents")}
          </Anchor>
        }
      />
      {status.kind === LIVE && (
        <>
          <Tile
            label={t("sources.events-waiting")}
            value={lag.events == null ? "–" : lag.events.toLocaleString(language)}
            hint={lag.seconds === 0 ? t("sources.fresh") : t("sources.events-hint")}
          />
          <Tile
            label={t("sources.age")}
            value={lag.seconds == null ? "–" : t("sources.seconds", { seconds: round(lag.seconds) })}
            hint={t("sources.age-hint")}
          />
        </>
      )}
      {lag.slot_retained_bytes != null && (
        <Tile label={t("sources.retained")} value={size(lag.slot_retained_bytes, language)} hint={t("sources.retained-hint")} />
      )}
      <Tile
        label={t("sources.letters")}
        value={letters}
        alarming={status.dead_letters > 0}
        hint={
          status.dead_letters > 0 ? (
            <Anchor component={Link} to={`/c/${collection}/letters?source=${to}`}>
              {t("sources.see-letters", { count: status.dead_letters })}
            </Anchor>
          ) : (
            t("sources.letters-hint")
          )
        }
      />
    </Tiles>
  );
}

function round(seconds: number): number {
  return seconds < 10 ? Math.round(seconds * 10) / 10 : Math.round(seconds);
}
