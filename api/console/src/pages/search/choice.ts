/** The plan that one side of the lab searches with: a stored one, a preset, or one of the person's own. */
import type { PlanView } from "@/api/plans";
import type { PlanChoice } from "@/api/search";

export const SERVING = "serving";
export const OWN = "own";
export const NONE = "none";
export const WORDS = "words";
export const MEANING = "meaning";
const PRESETS: Readonly<Record<string, Record<string, unknown>>> = {
  [WORDS]: { fusion: "sparse" },
  [MEANING]: { fusion: "dense" },
};

export type PlanValues = Record<string, unknown>;

/** A plan without them does not name them. */
export const OPTIONAL: Readonly<PlanValues> = { adapter: null, ranker: null, diffusion: null, precedents: null, answer: null };
const UNSET: Readonly<PlanValues> = { ...OPTIONAL, rerank: null }; // what own values may have been freed of

export interface Choice {
  /** `serving`, `default`, `words`, `meaning`, `own`, `none`, or a stored plan's number. */
  readonly name: string;
  readonly own: PlanValues | null;
}

/** What the API is asked with; undefined: the plan that serves. */
export function requested({ name, own }: Choice): PlanChoice {
  if (name === SERVING || name === NONE) return undefined;
  if (name === "default") return "default";
  if (name === OWN) return own ?? undefined;
  return PRESETS[name] ?? Number(name);
}

/** All values of that plan, as far as they are known here. */
export function valuesOf(choice: Choice, plans: readonly PlanView[], serving: PlanView | undefined): PlanValues {
  if (choice.name === OWN && choice.own) return { ...serving?.plan, ...UNSET, ...choice.own };
  const stored = plans.find((one) => String(one.id) === choice.name);
  return { ...(stored ?? serving)?.plan, ...PRESETS[choice.name] };
}

/** Whether that side's plan can be let serve as it is, without being stored first. */
export function isStored(choice: Choice): boolean {
  return choice.name === "default" || /^\d+$/.test(choice.name);
}
