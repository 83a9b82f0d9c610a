/** Stored text or JSON, exactly as it is: as text, never as markup. */
import { ActionIcon, CopyButton, Tooltip } from "@mantine/core";
import { Check, Copy } from "lucide-react";
import { useSpeech } from "@/i18n";
import classes from "./CodeText.module.css";

interface Props {
  value: string;
  /** What it is, for screen readers. */
  label: string;
  height?: number;
}

export function CodeText({ value, label, height = 320 }: Props) {
  return (
    <div className={classes.frame}>
      <pre className={classes.text} style={{ maxHeight: height }} tabIndex={0} aria-label={label} role="region">
        {value}
      </pre>
      <div className={classes.copy}>
        <Copying value={value} />
      </div>
    </div>
  );
}

/** A button that copies. */
export function Copying({ value }: { value: string }) {
  const { t } = useSpeech();
  return (
    <CopyButton value={value}>
      {({ copied, copy }) => (
        <Tooltip label={copied ? t("common.copied") : t("common.copy")}>
          <ActionIcon variant="default" size="sm" onClick={copy} aria-label={t("common.copy")}>
            {copied ? <Check size={14} aria-hidden /> : <Copy size={14} aria-hidden />}
          </ActionIcon>
        </Tooltip>
      )}
    </CopyButton>
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
