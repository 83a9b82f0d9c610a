/** English: the texts every other language translates. */
import { access } from "./access";
import { common } from "./common";
import { search } from "./search";
import { documents } from "./documents";
import { chat } from "./chat";
import { jobs } from "./jobs";
import { models } from "./models";
import { overview } from "./overview";
import { quality } from "./quality";
import { shell } from "./shell";
import { tuning } from "./tuning";

export const en = {
  ...common,
  ...search,
  ...documents,
  ...chat,
  ...overview,
  ...shell,
  ...quality,
  ...tuning,
  ...jobs,
  ...models,
  ...access,
} as const;
