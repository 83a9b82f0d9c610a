/** How everything stands; live events keep it true between two readings. */
import { useQuery } from "@tanstack/react-query";
import { api, call, type Model } from "./client";

export type Overview = Model<"Overview">;
const HISTORY_MS = 10_000; // a step of the history

export function useOverview() {
  return useQuery({
    queryKey: ["overview"],
    queryFn: () => call(api.GET("/v1/overview")),
    refetchInterval: HISTORY_MS,
  });
}
