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
