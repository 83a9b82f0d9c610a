/** Each trial's result as a point, and the best so far as a line: the learning curve of a search. */
import { CartesianGrid, ComposedChart, Line, ResponsiveContainer, Scatter, Tooltip, XAxis, YAxis } from "recharts";
import { useSpeech } from "@/i18n";
import { AXIS, marks, measures, TOOLTIP } from "./look";

interface TrialPoint {
  readonly number: number;
  readonly reward: number;
  readonly best: number;
}

interface Props {
  name: string;
  labels: { reward: string; best: string; number: string };
  points: readonly TrialPoint[];
}

const ABOVE_POINTS = 700; // Recharts draws points at 600, lines at 400

export default function TrialChart({ name, labels, points }: Props) {
  const { language } = useSpeech();
  const number = (value: unknown) => Number(value).toLocaleString(language, { maximumFractionDigits: 4 });
  const domain = measures(points.flatMap((point) => [point.reward, point.best]));
  return (
    <div role="img" aria-label={`${name}. ${labels.best}: ${number(points.at(-1)?.best ?? 0)}`}>
      <ResponsiveContainer width="100%" height={240}>
        <ComposedChart data={[...points]} margin={{ top: 6, right: 8, bottom: 0, left: 0 }} accessibilityLayer={false}>
          <CartesianGrid stroke="var(--kb-line)" vertical={false} />
          <XAxis dataKey="number" type="number" domain={["dataMin", "dataMax"]} {...AXIS} />
          <YAxis {...AXIS} width={52} domain={domain} ticks={marks(domain)} tickFormatter={number} />
          <Tooltip
            labelFormatter={(value) => `${labels.number} ${String(value)}`}
            formatter={(value, label) => [number(value), label]}
            {...TOOLTIP}
          />
          <Scatter dataKey="reward" name={labels.reward} fill="var(--kb-sparse)" fillOpacity={0.55} isAnimationActive={false} />
          <Line
            dataKey="best"
            name={labels.best}
            stroke="var(--kb-feedback)"
            strokeWidth={2}
            type="stepAfter"
            dot={false}
            zIndex={ABOVE_POINTS}
            isAnimationActive={false}
          />
        </ComposedChart>
      </ResponsiveContainer>
    </div>
  );
}
