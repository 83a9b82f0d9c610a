/** Chinese. */
import type { en } from "../en";
import type { Translation } from "../types";
import { common } from "./common";
import { search } from "./search";
import { documents } from "./documents";
import { chat } from "./chat";
import { overview } from "./overview";
import { shell } from "./shell";

export const zh: Translation<typeof en> = {
  ...common,
  ...search,
  ...documents,
  ...chat,
  ...overview,
  ...shell,
};
