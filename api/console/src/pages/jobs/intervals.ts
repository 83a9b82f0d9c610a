/** How often a schedule runs, in words. */
import type { Speech } from "@/i18n";

const HOUR = 3_600;
const DAY = 86_400;

export const INTERVALS: readonly number[] = [900, HOUR, 6 * HOUR, DAY, 7 * DAY];

/** Such as “every 6 hours”. */
export function every(seconds: number, { t }: Speech): string {
  if (seconds % DAY === 0) return t("jobs.every-days", { count: seconds / DAY });
  if (seconds % HOUR === 0) return t("jobs.every-hours", { count: seconds / HOUR });
  if (seconds % 60 === 0) return t("jobs.every-minutes", { count: seconds / 60 });
  return t("jobs.every-seconds", { count: seconds });
}
