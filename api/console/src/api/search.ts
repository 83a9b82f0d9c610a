/** Searching, with each hit's score explained. */
import { useQuery } from "@tanstack/react-query";
import { api, call, type Model } from "./client";

type SearchBody = Model<"SearchBody">;
export type SearchResponse = Model<"SearchResponse">;
export type Hit = Model<"Hit">;
export type PlanChoice = SearchBody["plan"];

export interface Asked {
  readonly query: string;
  readonly collection: string;
  readonly plan?: PlanChoice;
  readonly top_k?: number;
  readonly filter?: Record<string, unknown> | null;
  readonly as_groups?: string[] | null;
}

/** What the API needs for that search; hits are explained. */
function searchBody(asked: Asked): SearchBody {
  return { min_seq: 0, group_by: "document", highlight: true, explain: true, relevance: true, ...asked };
}

/** The result of a search; nothing is asked for an empty query. Read again when the collection's content changes. */
export function useSearch(asked: Asked, enabled = true) {
  return useQuery({
    queryKey: ["content", asked.collection, "search", asked],
    queryFn: async ({ signal }) => {
      const found = await call(api.POST("/v1/search", { body: searchBody(asked), signal }));
      return found as SearchResponse; // the client's types forget that marks are pairs
    },
    enabled: enabled && asked.query.trim() !== "",
    retry: false,
  });
}

type WhyBody = Model<"WhyBody">;
export type Why = Model<"WhyResponse">;

/** Why a document is, or is not, found. */
export function useWhy(asked: WhyBody | null) {
  return useQuery({
    queryKey: ["content", asked?.collection ?? "", "why", asked],
    queryFn: ({ signal }) => call(api.POST("/v1/search/why", { body: asked as WhyBody, signal })),
    enabled: asked !== null && asked.query.trim() !== "",
    retry: false,
  });
}
