/** Points by two measures, such as quality and cost; some are marked by their own colour and named. */
import { CartesianGrid, Legend, ResponsiveContainer, Scatter, ScatterChart, Tooltip, XAxis, YAxis } from "recharts";
import { useSpeech } from "@/i18n";
import { AXIS, marks, measures, TOOLTIP } from "./look";

interface CloudPoint {
  readonly x: number;
  readonly y: number;
}

interface Cloud {
  readonly label: string;
  readonly colour: string;
  readonly points: readonly CloudPoint[];
}

interface Props {
  name: string;
  labels: { x: string; y: string };
  clouds: readonly Cloud[];
}

export default function CloudChart({ name, labels, clouds }: Props) {
  const { language } = useSpeech();
  const number = (value: unknown) => Number(value).toLocaleString(language, { maximumFractionDigits: 3 });
  const domain = measures(clouds.flatMap((cloud) => cloud.points.map((point) => point.y)));
  const said = clouds
    .filter((cloud) => cloud.points.length === 1)
    .map((cloud) => `${cloud.label}: ${labels.y} ${number(cloud.points[0]?.y)}, ${labels.x} ${number(cloud.points[0]?.x)}`);
  return (
    <div role="img" aria-label={`${name}. ${said.join("; ")}`}>
      <ResponsiveContainer width="100%" height={240}>
        <ScatterChart margin={{ top: 6, right: 12, bottom: 18, left: 0 }} accessibilityLayer={false}>
          <CartesianGrid stroke="var(--kb-line)" />
          <XAxis
            dataKey="x"
            type="number"
            name={labels.x}
            {...AXIS}
            tickFormatter={number}
            label={{ value: labels.x, position: "insideBottom", offset: -10, fontSize: 11, fill: "var(--mantine-color-dimmed)" }}
          />
          <YAxis dataKey="y" type="number" name={labels.y} width={52} domain={domain} ticks={marks(domain)} {...AXIS} tickFormatter={number} />
          <Tooltip formatter={(value, label) => [number(value), label]} {...TOOLTIP} />
          <Legend verticalAlign="top" height={26} wrapperStyle={{ fontSize: 12 }} />
          {clouds.map((cloud) => (
            <Scatter
              key={cloud.label}
              name={cloud.label}
              data={[...cloud.points]}
              fill={cloud.colour}
              fillOpacity={cloud.points.length > 5 ? 0.5 : 1}
              isAnimationActive={false}
            />
          ))}
        </ScatterChart>
      </ResponsiveContainer>
    </div>
  );
}
