/** Rollouts: a plan goes out step by step, watched, and comes back by itself where it is worse. */
import { useQuery } from "@tanstack/react-query";
import { useAct } from "@/hooks/act";
import { useSpeech } from "@/i18n";
import { api, call, type Model } from "./client";

export type Rollout = Model<"RolloutView">;
export type RolloutStage = Model<"StageView">;
export type Arm = Model<"ArmView">;
export type Check = Model<"CheckView">;
export type RolloutBody = Model<"RolloutBody">;
/** The stage that somebody saw when he asked for the next step: the server refuses where it has changed. */
type Going = "shadow" | "canary";

const LIVE_MS = 5_000; // between two looks at one that runs

export function goesOn(rollout: Rollout): boolean {
  return rollout.ended_at === null;
}

/** The rollout that runs, or the last one; null before the first. */
export function useRollout(collection: string) {
  return useQuery({
    queryKey: ["plans", collection, "rollout"],
    queryFn: async () => {
      const query = { collection, limit: 1 };
      return (await call(api.GET("/v1/plans/rollouts", { params: { query } }))).rollouts[0] ?? null;
    },
    refetchInterval: (query) => (query.state.data && goesOn(query.state.data) ? LIVE_MS : false),
  });
}

export function useBeginRollout(collection: string, then: () => void) {
  const { t } = useSpeech();
  return useAct({
    act: ({ plan, body }: { plan: string; body: Omit<RolloutBody, "collection"> }) =>
      call(api.POST("/v1/plans/{plan}/rollout", { params: { path: { plan } }, body: { collection, ...body } })),
    done: t("rollout.begun"),
    touches: [["plans", collection], ["collections"]],
    then,
    quiet: true,
  });
}

export function useRolloutActs(collection: string) {
  const { t } = useSpeech();
  const touches = [["plans", collection], ["collections"], ["content", collection]];
  const advance = useAct({
    act: ({ share, from }: { share: number | null; from: Going }) =>
      call(api.POST("/v1/plans/rollout:advance", { body: { collection, share, reason: "", from } })),
    done: (now) => t("rollout.now", { stage: t(stageKey(now.stage)), share: Math.round(now.share * 100) }),
    touches,
  });
  const stop = useAct({
    act: (from: Going) => call(api.POST("/v1/plans/rollout:stop", { body: { collection, reason: "", from } })),
    done: t("rollout.stopped"),
    touches,
  });
  return { advance, stop };
}

const STAGES = ["shadow", "canary", "full", "stopped", "rolled_back", "superseded"] as const;

/** The text of a stage. */
export function stageKey(stage: string) {
  const known = STAGES.find((one) => one === stage) ?? "stopped";
  return `stage-of.${known}` as const;
}
