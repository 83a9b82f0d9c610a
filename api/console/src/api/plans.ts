/** Plans: how a collection is searched. */
import { useQuery } from "@tanstack/react-query";
import { useAct } from "@/hooks/act";
import { useSpeech } from "@/i18n";
import { api, call, type Model } from "./client";

export type PlanView = Model<"PlanView">;
const MANY = 1000;

/** The stored plans of a collection, newest first, the built-in one, the one that serves, and what a rollback returns to. */
export function usePlans(collection: string) {
  return useQuery({
    queryKey: ["plans", collection],
    queryFn: async () => {
      const query = { collection, limit: MANY };
      const page = await call(api.GET("/v1/plans", { params: { query } }));
      const params = { path: { plan: "default" }, query: { collection } };
      const builtIn = page.serving.id == null ? page.serving : await call(api.GET("/v1/plans/{plan}", { params }));
      return { plans: [...page.plans].reverse(), builtIn, serving: page.serving, former: page.former };
    },
  });
}

/** A plan's name in addresses: its number, or `default` for the built-in one. */
export function planId(plan: PlanView): string {
  return plan.id == null ? "default" : String(plan.id);
}

/** A plan as the one that somebody saw serving, when he asked for another: the server refuses where that changed. */
export function seen(plan: PlanView): number | "default" {
  return plan.id ?? "default";
}

/** Plans for a select: the built-in one, then the stored ones. */
export function usePlanChoices(collection: string): { value: string; label: string }[] {
  const { t } = useSpeech();
  const plans = usePlans(collection).data?.plans ?? [];
  return [{ value: "default", label: t("models.default-plan") }, ...plans.map((one) => ({ value: planId(one), label: one.name }))];
}

/** In which values a plan differs from another; nothing is asked while there is none to compare with. */
export function usePlanDifference(collection: string, plan: string, against: string | null) {
  return useQuery({
    queryKey: ["plans", collection, "difference", plan, against],
    queryFn: async () => {
      const params = { path: { plan }, query: { collection, against: against ?? "default" } };
      return (await call(api.GET("/v1/plans/{plan}/diff", { params }))).differences;
    },
    enabled: against !== null,
    staleTime: Infinity, // stored plans do not change
  });
}

/** Let a plan serve. */
export function usePromote(collection: string) {
  const { t } = useSpeech();
  return useAct({
    act: ({ plan, serving, reason }: { plan: string; serving: PlanView; reason: string }) =>
      call(api.POST("/v1/plans/{plan}/promote", { params: { path: { plan } }, body: { collection, reason, from: seen(serving) } })),
    done: (view) => t("plans.promoted", { name: view.name }),
    touches: [["plans", collection], ["collections"], ["content", collection]],
  });
}

/** Return to the plan that served before. */
export function useRollback(collection: string) {
  const { t } = useSpeech();
  return useAct({
    act: ({ serving, reason }: { serving: PlanView; reason: string }) =>
      call(api.POST("/v1/plans:rollback", { body: { collection, reason, from: seen(serving) } })),
    done: (view) => t("plans.rolled-back", { name: view.name }),
    touches: [["plans", collection], ["collections"], ["content", collection]],
  });
}

/** Store a plan under a name. */
export function useStorePlan(collection: string) {
  const { t } = useSpeech();
  return useAct({
    act: ({ name, plan }: { name: string; plan: Record<string, unknown> }) =>
      call(api.POST("/v1/plans", { body: { collection, name, plan } })),
    done: (view) => t("plans.stored", { name: view.name }),
    touches: [["plans", collection]],
  });
}
