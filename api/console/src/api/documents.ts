/** Documents: the list, one of them with its passages, its former versions, its rights. */
import { useQuery } from "@tanstack/react-query";
import { useAct } from "@/hooks/act";
import { PAGE_SIZE, usePages } from "@/hooks/pages";
import { useSpeech } from "@/i18n";
import { api, call, type Model } from "./client";

export type Summary = Model<"DocumentSummary">;
export type DocumentView = Model<"DocumentView">;
export type Passage = Model<"ChunkView">;
export type Former = Model<"FormerView">;

/** What the list is narrowed to; what is undefined narrows nothing. */
export interface Narrowed {
  readonly query?: string | undefined;
  readonly source?: string | undefined;
  readonly language?: string | undefined;
  readonly filter?: string | undefined;
}

export function useDocuments(collection: string, narrowed: Narrowed, enabled = true) {
  return usePages(
    ["content", collection, "documents", narrowed],
    (cursor) => {
      const query = { limit: PAGE_SIZE, cursor: cursor ?? null, ...narrowed };
      return call(api.GET("/v1/collections/{collection}/documents", { params: { path: { collection }, query } }));
    },
    enabled,
  );
}

export function useDeleted(collection: string, enabled = true) {
  return usePages(
    ["content", collection, "deleted"],
    (cursor) => {
      const query = { limit: PAGE_SIZE, cursor: cursor ?? null };
      return call(api.GET("/v1/collections/{collection}/documents:deleted", { params: { path: { collection }, query } }));
    },
    enabled,
  );
}

export function useFacets(collection: string) {
  return useQuery({
    queryKey: ["content", collection, "facets"],
    queryFn: () => call(api.GET("/v1/collections/{collection}/documents:facets", { params: { path: { collection } } })),
  });
}

/** A document with its text and passages; not read again while it is `leaving`. */
export function useDocument(collection: string, key: string | null, leaving = false) {
  return useQuery({
    queryKey: ["content", collection, "document", key],
    queryFn: () =>
      call(
        api.GET("/v1/collections/{collection}/documents/{key}", {
          params: { path: { collection, key: key ?? "" }, query: { chunks: true } },
        }),
      ),
    enabled: key !== null && !leaving,
    retry: false,
  });
}

export function useVersions(collection: string, key: string) {
  return useQuery({
    queryKey: ["content", collection, "versions", key],
    queryFn: async () => {
      const params = { path: { collection }, query: { key } };
      return (await call(api.GET("/v1/collections/{collection}/documents:versions", { params }))).versions;
    },
  });
}

/** A former version with its text. */
export function useVersion(collection: string, key: string, version: number | null) {
  return useQuery({
    queryKey: ["content", collection, "version", key, version],
    queryFn: () => {
      const params = { path: { collection }, query: { key, version: version ?? 0 } };
      return call(api.GET("/v1/collections/{collection}/documents:version", { params }));
    },
    enabled: version !== null,
    staleTime: Infinity, // what was said once does not change
  });
}

export function useRestore(collection: string, then?: () => void) {
  const { t } = useSpeech();
  return useAct({
    act: (body: { key: string; version: number }) => {
      const params = { path: { collection }, query: { wait_for: "searchable" as const } };
      return call(api.POST("/v1/collections/{collection}/documents:restore", { params, body }));
    },
    done: (written) => t("documents.restored", { key: written.key }),
    touches: [["content", collection], ["overview"]],
    then: () => then?.(),
  });
}

/** The version that brings a deleted document back; null: none is kept, undefined: nobody could say. */
type Undoable = number | null | undefined;

/** Delete a document; tells whether it can be undone. */
export function useDelete(collection: string, then: (key: string, undoable: Undoable) => void) {
  return useAct({
    act: async ({ key, version }: { key: string; version: number }) => {
      const params = { path: { collection, key }, query: { wait_for: "searchable" as const } };
      await call(api.DELETE("/v1/collections/{collection}/documents/{key}", { params }));
      const kept = { path: { collection }, query: { key } };
      const listed = call(api.GET("/v1/collections/{collection}/documents:versions", { params: kept }));
      const found = await listed.catch(() => undefined); // it is deleted, whatever this says
      return found && (found.versions.some((one) => one.version === version) ? version : null);
    },
    touches: [["content", collection], ["overview"]],
    then: (undoable, { key }) => then(key, undoable),
  });
}

export function useChangeRights(collection: string, key: string) {
  const { t } = useSpeech();
  return useAct({
    act: (acl: string[] | null) => {
      const params = { path: { collection, key }, query: { wait_for: "searchable" as const } };
      return call(api.PATCH("/v1/collections/{collection}/documents/{key}", { params, body: { acl } }));
    },
    done: t("documents.rights-changed"),
    touches: [["content", collection]],
  });
}

/** Where a document is shown; with a stretch of its text, that is marked. */
export function documentPath(collection: string, key: string, more: Readonly<Record<string, string | number>> = {}): string {
  const query = new URLSearchParams({ key });
  for (const [name, value] of Object.entries(more)) query.set(name, String(value));
  return `/c/${collection}/documents/view?${query.toString()}`;
}

/** The key in a document's id, which is `collection/key`. */
export function keyOf(documentId: string): string {
  return documentId.slice(documentId.indexOf("/") + 1);
}
