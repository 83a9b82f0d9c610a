/** Chinese. */
import type { en } from "../en";
import type { Translation } from "../types";
import { chat } from "./chat";
import { access } from "./access";
import { sources } from "./sources";
import { letters } from "./letters";
import { upload } from "./upload";
import { collections } from "./collections";
import { connect } from "./connect";
import { common } from "./common";
import { documents } from "./documents";
import { jobs } from "./jobs";
import { kinds } from "./kinds";
import { models } from "./models";
import { overview } from "./overview";
import { quality } from "./quality";
import { search } from "./search";
import { shell } from "./shell";
import { tuning } from "./tuning";

export const zh: Translation<typeof en> = {
  ...chat,
  ...common,
  ...connect,
  ...collections,
  ...upload,
  ...letters,
  ...sources,
  ...documents,
  ...overview,
  ...search,
  ...shell,
  ...quality,
  ...kinds,
  ...tuning,
  ...jobs,
  ...models,
  ...access,
};
