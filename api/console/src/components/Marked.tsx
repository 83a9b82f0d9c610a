/** Text with marked stretches; the text itself is never markup. */
import { pieces } from "@/lib/spans";

interface Props {
  text: string;
  spans: readonly (readonly [number, number])[];
}

export function Marked({ text, spans }: Props) {
  return pieces(text, spans).map((piece, place) =>
    piece.marked ? <mark key={place}>{piece.text}</mark> : <span key={place}>{piece.text}</span>,
  );
}
