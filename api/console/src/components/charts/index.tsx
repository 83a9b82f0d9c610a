/** Charts, each loaded when it is first drawn. */
import { Paper, Skeleton, Text, Title } from "@mantine/core";
import { lazy, type ReactNode, Suspense } from "react";

export const TimeChart = lazy(() => import("./TimeChart"));
export const BarsChart = lazy(() => import("./BarsChart"));
export const TrialChart = lazy(() => import("./TrialChart"));
export const RunsChart = lazy(() => import("./RunsChart"));
export const CloudChart = lazy(() => import("./CloudChart"));
export type { Point, Series } from "./TimeChart";

interface Props {
  title: string;
  hint?: string;
  children: ReactNode;
}

/** A chart in its frame, with its name and what it means. */
export function ChartCard({ title, hint, children }: Props) {
  return (
    <Paper withBorder radius="md" p="md">
      <Title order={3} size="h5">
        {title}
      </Title>
      {hint && (
        <Text size="xs" c="dimmed" mb="xs">
          {hint}
        </Text>
      )}
      <Suspense fallback={<Skeleton height={190} />}>{children}</Suspense>
    </Paper>
  );
}
