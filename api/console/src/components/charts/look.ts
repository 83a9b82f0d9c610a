/** What all charts look like, in the colours of the theme. */
export const AXIS = {
  stroke: "var(--mantine-color-dimmed)",
  fontSize: 11,
  tickLine: false,
  axisLine: false,
} as const;

export const TOOLTIP = {
  contentStyle: {
    background: "var(--mantine-color-body)",
    border: "1px solid var(--kb-line)",
    borderRadius: 8,
    fontSize: 12,
  },
  cursor: { stroke: "var(--kb-line)", fill: "var(--kb-line)", fillOpacity: 0.4 },
} as const;

const STEPS = [0.01, 0.05, 0.1] as const;
const MOST_STEPS = 6;

/** Where an axis of measures from 0 to 1 begins and ends: at round numbers, and not beyond 1 because of a margin. */
export function measures(values: readonly number[]): [number, number] {
  const [least, most] = [Math.min(...values), Math.max(...values)];
  const step = STEPS.find((one) => most - least <= one * MOST_STEPS) ?? 0.2;
  const round = (value: number) => Number(value.toFixed(2));
  const [from, to] = [round(Math.floor(least / step) * step), round(Math.ceil(most / step) * step)];
  return from === to ? [round(from - step), to] : [from, to];
}

/** The round numbers of such an axis, at most seven. */
export function marks([from, to]: readonly [number, number]): number[] {
  const step = STEPS.find((one) => to - from <= one * MOST_STEPS + 1e-9) ?? 0.2;
  return Array.from({ length: Math.round((to - from) / step) + 1 }, (_, place) => Number((from + place * step).toFixed(2)));
}
