/** Bars by category, such as a histogram. */
import { Bar, BarChart, CartesianGrid, ResponsiveContainer, Tooltip, XAxis, YAxis } from "recharts";
import { useSpeech } from "@/i18n";
import { AXIS, TOOLTIP } from "./look";

interface BarDatum {
  readonly label: string;
  readonly value: number;
}

interface Props {
  name: string;
  bars: readonly BarDatum[];
  colour?: string;
  height?: number;
}

export default function BarsChart({ name, bars, colour = "var(--kb-sparse)", height = 190 }: Props) {
  const { language } = useSpeech();
  const said = bars.filter((bar) => bar.value > 0).map((bar) => `${bar.label}: ${bar.value.toLocaleString(language)}`);
  return (
    <div role="img" aria-label={`${name}. ${said.join(", ")}`}>
      <ResponsiveContainer width="100%" height={height}>
        <BarChart data={[...bars]} margin={{ top: 6, right: 8, bottom: 0, left: 0 }} accessibilityLayer={false}>
          <CartesianGrid stroke="var(--kb-line)" vertical={false} />
          <XAxis dataKey="label" {...AXIS} interval="preserveStartEnd" />
          <YAxis {...AXIS} width={44} allowDecimals={false} />
          <Tooltip formatter={(value) => [Number(value).toLocaleString(language), name]} {...TOOLTIP} />
          <Bar dataKey="value" fill={colour} isAnimationActive={false} radius={[3, 3, 0, 0]} />
        </BarChart>
      </ResponsiveContainer>
    </div>
  );
}
