/** Chinese. */
import type { Translation } from "../types";
import type { en } from "../en";
import { common } from "./common";
import { shell } from "./shell";

export const zh: Translation<typeof en> = { ...common, ...shell };
