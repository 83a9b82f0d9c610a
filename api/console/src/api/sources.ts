/** Sources: where a collection's documents come from, what each did, and what can be done with it. */
import { useQuery } from "@tanstack/react-query";
import { useAct } from "@/hooks/act";
import { usePages } from "@/hooks/pages";
import { useSpeech } from "@/i18n";
import { api, call, type Model } from "./client";
import { isOpenState } from "./jobs";

export type SourceStatus = Model<"SourceStatus">;
export type Run = Model<"RunView">;
export type Arrival = Model<"ArrivalView">;

/** Kinds of source that the server itself can read again; all others are read by a command. */
export const LIVE = "database";
export const READ_WHEN_ASKED = "sql";

const MANY = 1_000;
const RUNS_SHOWN = 20;
const CALM_MS = 10_000;
const BUSY_MS = 2_000; // while a snapshot is read

/** The sources of a collection, by name. */
export function useSources(collection: string) {
  return useQuery({
    queryKey: ["sources", collection, "list"],
    queryFn: async () => (await call(api.GET("/v1/sources", { params: { query: { collection, limit: MANY } } }))).sources,
  });
}

/** How a source is; asked again more often while its snapshot is read. */
export function useSourceStatus(collection: string, name: string, enabled = true) {
  return useQuery({
    queryKey: ["sources", collection, "status", name],
    queryFn: () => call(api.GET("/v1/sources/{name}", { params: { path: { name }, query: { collection } } })),
    enabled,
    refetchInterval: (query) => (snapshotOf(query.state.data).state === "running" ? BUSY_MS : CALM_MS),
  });
}

/** What a source did, newest first. Read again when the collection's content changes. */
export function useRuns(collection: string, source: string) {
  return usePages(["content", collection, "source-runs", source], (cursor) =>
    call(api.GET("/v1/source-runs", { params: { query: { collection, source, limit: RUNS_SHOWN, cursor } } })),
  );
}

/** The documents that a source brought or removed last. Read again when the collection's content changes. */
export function useChanges(collection: string, source: string, limit = 8) {
  return useQuery({
    queryKey: ["content", collection, "source-changes", source, limit],
    queryFn: async () =>
      (await call(api.GET("/v1/source-changes", { params: { query: { collection, source, limit } } }))).changes,
  });
}

/** The newest job that reads a source of kind `sql`; null where there was none. */
export function useReadingJob(collection: string, source: string, enabled: boolean) {
  return useQuery({
    queryKey: ["jobs", "reading", collection, source],
    queryFn: async () => {
      const query = { collection, kind: "source_snapshot", limit: 50 };
      const { jobs } = await call(api.GET("/v1/jobs", { params: { query } }));
      return jobs.find((job) => job.arguments["source"] === source) ?? null;
    },
    enabled,
    refetchInterval: (query) => (isOpenState(query.state.data?.state) ? BUSY_MS / 2 : CALM_MS),
  });
}

type Verb = "pause" | "resume" | "restart";

/** Let a live source rest, go on, or start its connector again. */
export function useSteer(collection: string, name: string) {
  const { t } = useSpeech();
  return useAct({
    act: (verb: Verb) => {
      const where = { params: { path: { name }, query: { collection } } };
      if (verb === "pause") return call(api.POST("/v1/sources/{name}/pause", where));
      if (verb === "resume") return call(api.POST("/v1/sources/{name}/resume", where));
      return call(api.POST("/v1/sources/{name}/restart", where));
    },
    done: (_, verb) => t(`sources.did-${verb}`, { name }),
    touches: [["sources"], ["overview"]],
  });
}

/** The tables of a source's database, mapped or not. */
export function useSourceTables(collection: string, name: string) {
  return useQuery({
    queryKey: ["sources", collection, "tables", name],
    queryFn: async () =>
      (await call(api.GET("/v1/sources/{name}/tables", { params: { path: { name }, query: { collection } } }))).tables,
    staleTime: Infinity,
    gcTime: 0,
    retry: false,
  });
}

/** Store another mapping. A live source reads by itself what that shows differently; another is read here. */
export function useChangeMapping(collection: string, { name, kind }: { name: string; kind: string }, then: () => void) {
  const { t } = useSpeech();
  const params = { path: { name }, query: { collection } };
  return useAct({
    act: async (tables: Record<string, unknown>) => {
      await call(api.PATCH("/v1/sources/{name}", { params, body: { tables: tables as never } }));
      if (kind !== LIVE) await call(api.POST("/v1/sources/{name}/snapshot", { params, body: { full: false } }));
    },
    done: t("sources.did-map", { name }),
    touches: [["sources"], ["jobs"], ["overview"], ["content", collection]],
    then,
    quiet: true,
  });
}

/** Have tables read again; `full`: begin anew. */
export function useReadAgain(collection: string, name: string) {
  const { t } = useSpeech();
  return useAct({
    act: (body: { tables?: string[]; full?: boolean }) =>
      call(
        api.POST("/v1/sources/{name}/snapshot", {
          params: { path: { name }, query: { collection } },
          body: { full: false, ...body },
        }),
      ),
    done: (asked) => t("sources.did-read", { tables: asked.tables.join(", ") }),
    touches: [["sources"], ["jobs"]],
  });
}

/** Delete a source with its documents, or leave them. What showed it is read again once its page is left. */
export function useDeleteSource(collection: string) {
  const { t } = useSpeech();
  return useAct({
    act: ({ name, kind, documents }: { name: string; kind: string; documents: "delete" | "keep" }) =>
      kind === LIVE
        ? call(api.DELETE("/v1/sources/{name}", { params: { path: { name }, query: { collection, documents } } }))
        : call(api.DELETE("/v1/sources", { params: { query: { collection, source: name, documents } } })),
    done: (done, { name }) => t("sources.did-delete", { name, count: done.deleted_documents }),
  });
}

interface Snapshot {
  state: string;
  kind: string | null;
  tables: { name: string; state: string; rows: number | null }[];
}

/** The last snapshot of a live source, as the status tells it. */
export function snapshotOf(status: SourceStatus | undefined): Snapshot {
  const told = (status?.snapshot ?? {}) as { state?: string; kind?: string | null; tables?: Record<string, object> };
  const tables = Object.entries(told.tables ?? {}).map(([name, one]) => {
    const { state = "", rows = null } = one as { state?: string; rows?: number | null };
    return { name, state, rows };
  });
  return { state: told.state ?? "none", kind: told.kind ?? null, tables };
}
