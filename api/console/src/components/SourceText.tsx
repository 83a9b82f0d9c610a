/** A document's whole text as it is stored, with one stretch marked and brought into view. */
import { useEffect, useRef } from "react";
import { unitOffsets } from "@/lib/spans";
import classes from "./SourceText.module.css";

interface Props {
  text: string;
  /** (start, end) in characters as the API counts them. */
  span: readonly [number, number] | null;
  label: string;
  height?: string;
}

export function SourceText({ text, span, label, height = "60vh" }: Props) {
  const mark = useRef<HTMLElement>(null);
  const frame = useRef<HTMLPreElement>(null);
  const [start = 0, end = 0] = span ? unitOffsets(text, span) : [];
  useEffect(() => {
    const box = frame.current;
    if (!box || !mark.current) return;
    // Only the frame scrolls: the page stays where the person looks.
    const offset = mark.current.getBoundingClientRect().top - box.getBoundingClientRect().top;
    box.scrollTop += offset - box.clientHeight / 4;
  }, [start, end, text]);
  return (
    <pre ref={frame} className={classes.text} style={{ maxHeight: height }} tabIndex={0} role="region" aria-label={label}>
      {end > start ? (
        <>
          {text.slice(0, start)}
          <mark ref={mark} data-cited>
            {text.slice(start, end)}
          </mark>
          {text.slice(end)}
        </>
      ) : (
        text
      )}
    </pre>
  );
}
