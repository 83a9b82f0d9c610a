/** Stored text or JSON, exactly as it is: as text, never as markup. */
import { ActionIcon, Tooltip } from "@mantine/core";
import { Check, Copy } from "lucide-react";
import { type RefObject, useEffect, useRef, useState } from "react";
import { useSpeech } from "@/i18n";
import classes from "./CodeText.module.css";

const TOLD_MS = 2_000;

interface Props {
  value: string;
  /** What it is, for screen readers. */
  label: string;
  height?: number;
}

export function CodeText({ value, label, height = 320 }: Props) {
  const shown = useRef<HTMLPreElement>(null);
  return (
    <div className={classes.frame}>
      <pre ref={shown} className={classes.text} style={{ maxHeight: height }} tabIndex={0} aria-label={label} role="region">
        {value}
      </pre>
      <div className={classes.copy}>
        <Copying value={value} shown={shown} />
      </div>
    </div>
  );
}

/** A button that copies the value; `shown` shows it, and is selected where the browser lets no page copy. */
export function Copying({ value, shown }: { value: string; shown: RefObject<HTMLElement | null> }) {
  const { t } = useSpeech();
  const [done, setDone] = useState<"copy" | "copied" | "selected">("copy");
  useEffect(() => {
    const over = setTimeout(() => setDone("copy"), TOLD_MS);
    return () => clearTimeout(over);
  }, [done]);
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(value);
      setDone("copied");
    } catch {
      // There is no clipboard where pages come over plain http from another machine.
      if (shown.current) getSelection()?.selectAllChildren(shown.current);
      setDone(document.execCommand("copy") ? "copied" : "selected");
    }
  };
  return (
    <Tooltip label={t(`common.${done}`)} opened={done === "copy" ? undefined : true}>
      <ActionIcon variant="default" size="sm" onClick={() => void copy()} aria-label={t("common.copy")}>
        {done === "copied" ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />}
      </ActionIcon>
    </Tooltip>
  );
}

/** JSON for reading; text that is no JSON stays as it is. */
export function pretty(value: unknown): string {
  if (typeof value !== "string") return JSON.stringify(value, null, 2);
  try {
    return JSON.stringify(JSON.parse(value), null, 2);
  } catch {
    return value;
  }
}
