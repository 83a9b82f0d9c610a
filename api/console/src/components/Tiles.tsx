/** Numbers that matter, side by side. */
import { Paper, Text } from "@mantine/core";
import type { ReactNode } from "react";
import classes from "./Tiles.module.css";

export function Tiles({ children }: { children: ReactNode }) {
  return <dl className={classes.tiles}>{children}</dl>;
}

interface Props {
  label: string;
  value: ReactNode;
  hint?: ReactNode;
  alarming?: boolean;
}

export function Tile({ label, value, hint, alarming }: Props) {
  return (
    <Paper withBorder radius="md" p="md" className={classes.tile}>
      <Text component="dt" size="xs" c="dimmed" fw={600}>
        {label}
      </Text>
      <Text component="dd" m={0} fz={26} fw={700} lh={1.3} c={alarming ? "red" : undefined}>
        {value}
      </Text>
      {hint && (
        <Text component="dd" m={0} size="xs" c="dimmed">
          {hint}
        </Text>
      )}
    </Paper>
  );
}
