/** What the search lab shows, as the address says it. */
import { useMemo } from "react";
import type { PlanChoice } from "@/api/search";
import { readFilter } from "@/components/MetadataFilter";
import { useParameters } from "@/hooks/parameters";
import { type Choice, requested, SERVING, WORDS } from "./choice";

export const DEFAULT_TOP = 10;

export interface Lab {
  readonly query: string;
  readonly top: number;
  readonly filter: Record<string, unknown> | null;
  readonly groups: readonly string[];
  readonly a: Choice;
  readonly b: Choice;
  readonly planOf: (side: "a" | "b") => PlanChoice;
}

/** What the address says, and how to change it. */
export function useLab(): [Lab, (part: Partial<Lab>) => void] {
  const [parameters, set] = useParameters();
  const text = parameters.toString();
  const lab = useMemo(() => read(new URLSearchParams(text)), [text]);
  const change = (part: Partial<Lab>) =>
    set((now) => written({ ...read(now), ...part }), { replace: part.query === undefined });
  return [lab, change];
}

function read(parameters: URLSearchParams): Lab {
  const choice = (side: "a" | "b", otherwise: string): Choice => ({
    name: parameters.get(side) ?? otherwise,
    own: readFilter(parameters.get(`${side}.own`)),
  });
  const top = Number(parameters.get("k"));
  const [a, b] = [choice("a", SERVING), choice("b", WORDS)];
  return {
    query: parameters.get("q") ?? "",
    top: Number.isInteger(top) && top >= 1 && top <= 100 ? top : DEFAULT_TOP,
    filter: readFilter(parameters.get("filter")),
    groups: parameters.getAll("group"),
    a,
    b,
    planOf: (side) => requested(side === "a" ? a : b),
  };
}

function written(lab: Lab): URLSearchParams {
  const parameters = new URLSearchParams();
  if (lab.query) parameters.set("q", lab.query);
  if (lab.top !== DEFAULT_TOP) parameters.set("k", String(lab.top));
  if (lab.filter) parameters.set("filter", JSON.stringify(lab.filter));
  for (const group of lab.groups) parameters.append("group", group);
  for (const [side, choice] of [["a", lab.a], ["b", lab.b]] as const) {
    parameters.set(side, choice.name);
    if (choice.own) parameters.set(`${side}.own`, JSON.stringify(choice.own));
  }
  return parameters;
}
