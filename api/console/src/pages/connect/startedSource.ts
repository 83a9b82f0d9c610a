/** What the steps of connecting hand to the last one, which watches it. */
import type { Mode } from "@/api/connect";

export interface StartedSource {
  name: string;
  collection: string;
  mode: Mode;
  /** Why the reading could not begin; null where it did. */
  failure: unknown;
}
