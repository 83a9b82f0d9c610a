/** What each leg of the search gave to a hit's score. Read from whatever the explanation holds, so that a leg that a
 * later server adds is drawn too. */
import type { Hit } from "@/api/search";

/** In the order in which they are drawn; others follow. */
export const LEGS: readonly string[] = ["sparse", "dense", "feedback", "graph", "rerank"];

export interface Part {
  readonly leg: string;
  /** Share of the score that the hits were ordered by; null where the leg has a score of its own (rerank). */
  readonly contribution: number | null;
  readonly score: number | null;
  readonly rank: number | null;
  /** What connects it with the other hits, where the graph led to it. */
  readonly via: string | null;
}

/** The parts of a hit's score that are there. */
export function partsOf(hit: Hit): Part[] {
  const explained = Object.entries(hit.explain ?? {}) as [string, unknown][];
  const found = explained.flatMap(([leg, part]) => partOf(leg, part));
  return found.sort((one, other) => placeOf(one.leg) - placeOf(other.leg));
}

function partOf(leg: string, part: unknown): Part[] {
  if (typeof part === "number") return part === 0 ? [] : [{ leg, contribution: part, score: null, rank: null, via: null }];
  if (typeof part !== "object" || part === null) return [];
  const values = part as Record<string, unknown>;
  const [contribution, score, rank] = [number(values["contribution"]), number(values["score"]), number(values["rank"])];
  return [{ leg, contribution, score, rank, via: typeof values["via"] === "string" ? values["via"] : null }];
}

function number(value: unknown): number | null {
  return typeof value === "number" ? value : null;
}

function placeOf(leg: string): number {
  const place = LEGS.indexOf(leg);
  return place < 0 ? LEGS.length : place;
}

/** The colour that a leg is drawn in. */
export function colourOf(leg: string): string {
  return `var(--kb-${leg}, var(--mantine-color-dimmed))`;
}

/** Sum of what the legs contributed. */
export function contributed(hit: Hit): number {
  return partsOf(hit).reduce((sum, part) => sum + Math.max(0, part.contribution ?? 0), 0);
}
