/** English: the texts every other language translates. */
import { common } from "./common";
import { search } from "./search";
import { documents } from "./documents";
import { chat } from "./chat";
import { overview } from "./overview";
import { shell } from "./shell";

export const en = {
  ...common,
  ...search,
  ...documents,
  ...chat,
  ...overview,
  ...shell,
} as const;
