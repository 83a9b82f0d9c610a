/** Chinese. */
import type { en } from "../en";
import type { Translation } from "../types";
import { common } from "./common";
import { overview } from "./overview";
import { shell } from "./shell";

export const zh: Translation<typeof en> = {
  ...common,
  ...overview,
  ...shell,
};
