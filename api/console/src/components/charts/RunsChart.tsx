/** A measure run by run, each with its interval; what became worse by more than chance is red and ringed. */
import { CartesianGrid, ComposedChart, ErrorBar, Line, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import { useSpeech } from "@/i18n";
import { AXIS, TOOLTIP } from "./look";

interface RunPoint {
  readonly label: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly worse: boolean;
}

interface Props {
  name: string;
  /** What the value is called in the tooltip. */
  measure: string;
  worse: string;
  points: readonly RunPoint[];
}

interface Dot {
  cx?: number;
  cy?: number;
  index?: number;
  payload?: RunPoint;
}

export default function RunsChart({ name, measure, worse, points }: Props) {
  const { language } = useSpeech();
  const number = (value: number) => value.toLocaleString(language, { maximumFractionDigits: 3 });
  const data = points.map((point) => ({ ...point, around: [point.value - point.low, point.high - point.value] }));
  const said = points.map((point) => `${point.label}: ${number(point.value)}${point.worse ? ` (${worse})` : ""}`);
  return (
    <div role="img" aria-label={`${name}. ${said.join(", ")}`}>
      <ResponsiveContainer width="100%" height={230}>
        <ComposedChart data={data} margin={{ top: 8, right: 16, bottom: 0, left: 0 }} accessibilityLayer={false}>
          <CartesianGrid stroke="var(--kb-line)" vertical={false} />
          <XAxis dataKey="label" {...AXIS} padding={{ left: 24, right: 24 }} minTickGap={16} />
          <YAxis {...AXIS} width={48} domain={[0, 1]} tickFormatter={number} />
          <Tooltip
            formatter={(_, __, item) => {
              const point = item.payload as RunPoint;
              return [`${number(point.value)} (${number(point.low)} – ${number(point.high)})`, point.worse ? worse : measure];
            }}
            {...TOOLTIP}
          />
          <Line
            dataKey="value"
            name={measure}
            stroke="var(--kb-sparse)"
            strokeWidth={2}
            isAnimationActive={false}
            dot={(dot: Dot) => <Mark key={dot.index} dot={dot} />}
          >
            <ErrorBar dataKey="around" width={5} strokeWidth={1.3} stroke="var(--mantine-color-dimmed)" direction="y" />
          </Line>
        </ComposedChart>
      </ResponsiveContainer>
    </div>
  );
}

function Mark({ dot }: { dot: Dot }) {
  const { cx = 0, cy = 0, payload } = dot;
  if (!payload?.worse) return <circle cx={cx} cy={cy} r={3.5} fill="var(--kb-sparse)" />;
  return (
    <g>
      <circle cx={cx} cy={cy} r={7} fill="none" stroke="var(--mantine-color-red-filled)" strokeWidth={1.5} />
      <circle cx={cx} cy={cy} r={4} fill="var(--mantine-color-red-filled)" />
    </g>
  );
}
