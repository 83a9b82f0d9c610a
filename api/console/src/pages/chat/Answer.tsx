/** The words of an answer; `[n]` in them is a button that opens what it cites. Never markup, whatever was written. */
import type { Citation } from "@/api/answers";
import { useSpeech } from "@/i18n";
import { placedTitle } from "@/lib/place";
import classes from "./Chat.module.css";

const CITED = /\[(\d{1,3})\]/g;

interface Props {
  text: string;
  citations: readonly Citation[];
  cite: (number: number) => void;
}

export function Answer({ text, citations, cite }: Props) {
  const speech = useSpeech();
  const known = new Map(citations.map((one) => [one.number, one]));
  return (
    <div className={classes.answer}>
      {text.split(CITED).map((piece, place) => {
        if (place % 2 === 0) return <span key={place}>{piece}</span>; // the odd ones are the numbers
        const cited = known.get(Number(piece));
        if (!cited) return <span key={place}>[{piece}]</span>;
        return (
          <button
            key={place}
            type="button"
            className={classes.cited}
            onClick={() => cite(cited.number)}
            title={placedTitle(cited, speech)}
            aria-label={speech.t("chat.open-citation", { number: cited.number, title: placedTitle(cited, speech) })}
          >
            {piece}
          </button>
        );
      })}
    </div>
  );
}
