/** As many equal columns as have room; one below the other on a narrow window. */
import type { ReactNode } from "react";
import classes from "./Columns.module.css";

interface Props {
  /** Least width of a column, in pixels. */
  least?: number;
  /** How those of one row stand where they differ in height. */
  align?: "start" | "end" | "stretch";
  children: ReactNode;
}

export function Columns({ least = 340, align = "start", children }: Props) {
  const template = `repeat(auto-fit, minmax(min(${least}px, 100%), 1fr))`;
  return (
    <div className={classes.columns} style={{ gridTemplateColumns: template, alignItems: align }}>
      {children}
    </div>
  );
}
