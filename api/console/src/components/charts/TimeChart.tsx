/** Lines over time. Loaded only with the pages that draw; what it shows is said in words too. */
import { Area, AreaChart, CartesianGrid, Legend, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import { useSpeech } from "@/i18n";
import { AXIS, TOOLTIP } from "./look";

export interface Series {
  readonly key: string;
  readonly label: string;
  readonly colour: string;
}

export type Point = Readonly<Record<string, number | null>> & { readonly at: number };

interface Props {
  name: string;
  points: readonly Point[];
  series: readonly Series[];
  unit?: string;
  height?: number;
}

export default function TimeChart({ name, points, series, unit = "", height = 190 }: Props) {
  const { language } = useSpeech();
  const clock = (at: number) => new Date(at).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit" });
  const number = (value: unknown) => `${Number(value).toLocaleString(language, { maximumFractionDigits: 1 })}${unit && ` ${unit}`}`;
  const last = points.at(-1);
  const said = series.map((one) => `${one.label}: ${number(last?.[one.key] ?? 0)}`).join(", ");
  return (
    <div role="img" aria-label={`${name}. ${said}`}>
      <ResponsiveContainer width="100%" height={height}>
        <AreaChart data={[...points]} margin={{ top: 6, right: 8, bottom: 0, left: 0 }} accessibilityLayer={false}>
          <CartesianGrid stroke="var(--kb-line)" vertical={false} />
          <XAxis dataKey="at" type="number" domain={["dataMin", "dataMax"]} tickFormatter={clock} {...AXIS} minTickGap={48} />
          <YAxis {...AXIS} width={44} allowDecimals={false} tickFormatter={(value: number) => value.toLocaleString(language)} />
          <Tooltip
            labelFormatter={(at) => new Date(Number(at)).toLocaleTimeString(language)}
            formatter={(value, label) => [number(value), label]}
            {...TOOLTIP}
          />
          {series.length > 1 && <Legend iconType="plainline" wrapperStyle={{ fontSize: 12 }} />}
          {series.map((one) => (
            <Area
              key={one.key}
              dataKey={one.key}
              name={one.label}
              stroke={one.colour}
              fill={one.colour}
              fillOpacity={0.12}
              strokeWidth={2}
              type="monotone"
              dot={({ key, cx, cy, index }) =>
                isAlone(points, one.key, index) ? <circle key={key} cx={cx} cy={cy} r={2.5} fill={one.colour} /> : <g key={key} />
              }
              isAnimationActive={false}
            />
          ))}
        </AreaChart>
      </ResponsiveContainer>
    </div>
  );
}

/** Whether a value has no neighbour: a line alone would not show it, and none is drawn over a time without values. */
function isAlone(points: readonly Point[], key: string, place: number): boolean {
  const has = (at: number) => points[at]?.[key] != null;
  return has(place) && !has(place - 1) && !has(place + 1);
}
