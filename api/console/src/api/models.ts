/** The generations of a collection's index, and the exchangeable parts there are. */
import { useQuery } from "@tanstack/react-query";
import { useAct } from "@/hooks/act";
import { useSpeech } from "@/i18n";
import { api, call, type Model } from "./client";

export type Generation = Model<"GenerationView">;
export type Module = Model<"ModuleView">;
type NewGeneration = Model<"ReindexArguments">;

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
