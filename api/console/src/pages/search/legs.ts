/** What each leg of the search gave to a hit's score. Read from whatever the explanation holds, so that a leg that a
 * later server adds is drawn too. */
import type { Hit } from "@/api/search";

/** In the order in which they are drawn; others follow. */
export const LEGS: readonly string[] = ["sparse", "dense", "feedback", "precedents", "graph", "ranker", "rerank"];

export interface Part {
  readonly leg: string;
  /** Share of the score that the hits were ordered by; null where the leg has a score of its own (rerank). */
  readonly contribution: number | null;
  readonly score: number | null;
  readonly rank: number | null;
  /** What connects it with the other hits, where the graph led to it. */
  readonly via: string | null;
  /** Of the earlier questions near this one, how much was answered by its document: 0 to 1. */
  readonly share: number | null;
  /** How near the nearest of them is: 1 is the same. */
  readonly nearest: number | null;
}

const NOTHING = { contribution: null, score: null, rank: null, via: null, share: null, nearest: null };

/** The parts of a hit's score that are there. */
export function partsOf(hit: Hit): Part[] {
  const explained = Object.entries(hit.explain ?? {}) as [string, unknown][];
  const found = explained.flatMap(([leg, part]) => partOf(leg, part));
  return found.sort((one, other) => placeOf(one.leg) - placeOf(other.leg));
}

function partOf(leg: string, part: unknown): Part[] {
  if (typeof part === "number") return part === 0 ? [] : [{ ...NOTHING, leg, contribution: part }];
  if (typeof part !== "object" || part === null) return [];
  const values = part as Record<string, unknown>;
  return [
    {
      leg,
      contribution: number(values["contribution"]),
      score: number(values["score"]),
      rank: number(values["rank"]),
      via: typeof values["via"] === "string" ? values["via"] : null,
      share: number(values["share"]),
      nearest: number(values["nearest"]),
    },
  ];
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
