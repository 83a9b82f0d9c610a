/** English: the texts every other language translates. */
import { common } from "./common";
import { overview } from "./overview";
import { shell } from "./shell";

export const en = {
  ...common,
  ...overview,
  ...shell,
} as const;
