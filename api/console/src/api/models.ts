/** Plans as a choice, generations of a collection, and the exchangeable parts there are. */
import { useQuery } from "@tanstack/react-query";
import { useAct } from "@/hooks/act";
import { useSpeech } from "@/i18n";
import { api, call, type Model } from "./client";

export type Plan = Model<"PlanView">;
export type Generation = Model<"GenerationView">;
export type Module = Model<"ModuleView">;
export type NewGeneration = Model<"ReindexArguments">;

const MANY = 1000; // plans

/** The stored plans of a collection, newest first, with the one that serves. */
export function usePlanHistory(collection: string) {
  return useQuery({
    queryKey: ["plans", collection, "history"],
    queryFn: async () => {
      const page = await call(api.GET("/v1/plans", { params: { query: { collection, limit: MANY } } }));
      return { plans: [...page.plans].reverse(), serving: page.serving };
    },
  });
}

/** Plans for a select: the built-in one, then the stored ones. */
export function usePlanChoices(collection: string): { value: string; label: string }[] {
  const { t } = useSpeech();
  const plans = usePlanHistory(collection).data?.plans ?? [];
  return [{ value: "default", label: t("models.default-plan") }, ...plans.map((one) => ({ value: String(one.id), label: one.name }))];
}

export function useStorePlan(collection: string) {
  const { t } = useSpeech();
  return useAct({
    act: ({ name, plan }: { name: string; plan: Record<string, unknown> }) =>
      call(api.POST("/v1/plans", { body: { collection, name, plan } })),
    done: (made) => t("models.plan-stored", { name: made.name }),
    touches: [["plans", collection]],
    quiet: true,
  });
}

export function useSwitchPlan(collection: string) {
  const { t } = useSpeech();
  return useAct({
    act: ({ plan, reason }: { plan: string; reason: string }) =>
      call(api.POST("/v1/plans/{plan}/promote", { params: { path: { plan } }, body: { collection, reason } })),
    done: (view) => t("models.serves-now", { name: view.name }),
    touches: [["plans", collection], ["collections"], ["content", collection]],
  });
}

export function usePlanBack(collection: string) {
  const { t } = useSpeech();
  return useAct({
    act: (reason: string) => call(api.POST("/v1/plans:rollback", { body: { collection, reason } })),
    done: (view) => t("models.serves-again", { name: view.name }),
    touches: [["plans", collection], ["collections"], ["content", collection]],
  });
}

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

const generationsKey = (collection: string) => ["generations", collection] as const;

export function useGenerations(collection: string) {
  return useQuery({
    queryKey: generationsKey(collection),
    queryFn: async () => {
      const params = { path: { collection } };
      return [...(await call(api.GET("/v1/collections/{collection}/generations", { params }))).generations].reverse();
    },
  });
}

export function useBuildGeneration(collection: string, then: () => void) {
  const { t } = useSpeech();
  return useAct({
    act: (body: NewGeneration) =>
      call(api.POST("/v1/collections/{collection}/generations", { params: { path: { collection } }, body })),
    done: t("models.building"),
    touches: [["jobs"], generationsKey(collection)],
    then,
    quiet: true,
  });
}

export function useGenerationActs(collection: string) {
  const { t } = useSpeech();
  const touches = [generationsKey(collection), ["collections"], ["content", collection]];
  const path = (generation: number) => ({ collection, generation: String(generation) });
  const activate = useAct({
    act: ({ id, force }: { id: number; force: boolean }) =>
      call(api.POST("/v1/collections/{collection}/generations/{generation}/activate", { params: { path: path(id) }, body: { force } })),
    done: (one) => t("models.generation-serves", { id: one.id }),
    touches,
  });
  const retire = useAct({
    act: (id: number) => call(api.POST("/v1/collections/{collection}/generations/{generation}/retire", { params: { path: path(id) } })),
    done: (one) => t("models.generation-retired", { id: one.id }),
    touches,
  });
  const back = useAct({
    act: () => call(api.POST("/v1/collections/{collection}/generations:rollback", { params: { path: { collection } } })),
    done: (one) => t("models.generation-serves", { id: one.id }),
    touches,
  });
  return { activate, retire, back };
}

export function useModules() {
  return useQuery({
    queryKey: ["modules"],
    queryFn: async () => (await call(api.GET("/v1/modules"))).modules,
    staleTime: 60_000,
  });
}
