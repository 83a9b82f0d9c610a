/** A mean in its interval, drawn on a line; the numbers stand beside it, so it is decoration to a screen reader. */
import classes from "./Interval.module.css";

interface Props {
  mean: number;
  interval: readonly [number, number];
  /** The ends of the line; with 0 inside, a mark shows it. */
  range: readonly [number, number];
  look?: "plain" | "worse" | "alike" | "better";
}

export function Interval({ mean, interval, range, look = "plain" }: Props) {
  const place = (value: number) => Math.min(100, Math.max(0, ((value - range[0]) / (range[1] - range[0] || 1)) * 100));
  const from = place(interval[0]);
  return (
    <div className={classes.track} aria-hidden>
      {range[0] < 0 && <div className={classes.zero} style={{ left: `${place(0)}%` }} />}
      <div className={`${classes.span} ${classes[look]}`} style={{ left: `${from}%`, width: `${Math.max(1, place(interval[1]) - from)}%` }} />
      <div className={`${classes.mean} ${classes[look]}`} style={{ left: `${place(mean)}%` }} />
    </div>
  );
}
