/** Collections: which there are, and which one the pages are about. */
import { useQuery } from "@tanstack/react-query";
import { useEffect } from "react";
import { useParams } from "react-router";
import { keep, kept } from "@/lib/storage";
import { api, ApiError, call, type Model } from "./client";
import { MANY_COLLECTIONS } from "./early";

export type Collection = Model<"CollectionView">;
const STORED = "kb-collection";

export function useCollections() {
  return useQuery({
    queryKey: ["collections"],
    queryFn: async () => (await call(api.GET("/v1/collections", { params: { query: { limit: MANY_COLLECTIONS } } }))).collections,
    staleTime: 10_000,
  });
}

/** Whether the API said that this collection is not there for this session; false while it is not known. */
export function useIsMissing(collection: string | undefined): boolean {
  const listed = useCollections().data;
  const isOpen = collection !== undefined && listed !== undefined && !listed.some((one) => one.name === collection);
  const looked = useQuery({
    queryKey: ["collections", collection, "there"],
    queryFn: async () => (await call(api.GET("/v1/collections/{collection}", { params: { path: { collection: collection ?? "" } } }))).name,
    enabled: isOpen,
    retry: false,
    staleTime: 0,
  });
  return isOpen && looked.error instanceof ApiError && [403, 404, 422].includes(looked.error.status);
}

/** The groups that may read a document of the collection which names none. */
export function useDefaultReaders(collection: string) {
  return useQuery({
    queryKey: ["collections", collection, "readers"],
    queryFn: async () => (await call(api.GET("/v1/collections/{collection}", { params: { path: { collection } } }))).default_acl,
  });
}

/** The collection in the page's address; remembered for the menu. */
export function useCollection(): string {
  const { collection } = useParams();
  useEffect(() => {
    if (collection) keep(STORED, collection);
  }, [collection]);
  if (!collection) throw new Error("useCollection is used on a page without a collection");
  return collection;
}

/** The collection that the menu's links are about: the page's, else the last one, else the first; null where none is. */
export function chosenCollection(collections: readonly Collection[] | undefined, path: string): string | null {
  const named = /^\/c\/([^/]+)/.exec(path)?.[1];
  if (named) return named;
  const names = (collections ?? []).map((one) => one.name);
  const last = kept(STORED);
  return last !== null && names.includes(last) ? last : (names[0] ?? null);
}
