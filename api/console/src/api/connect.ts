/** Connecting a database: looking at it before a source is made, then making one. The address is kept in memory only. */
import { keepPreviousData, useMutation, useQuery } from "@tanstack/react-query";
import { useAct } from "@/hooks/act";
import { api, call, type Model } from "./client";

export type TestResult = Model<"TestResult">;
export type Finding = Model<"FindingView">;
export type TableInfo = Model<"TableView">;
export type Join = Model<"IncludeView">;
export type Preview = Model<"Preview">;
export type Mode = Model<"SourceBody">["mode"];

/** How the rows of each table become documents, as the API takes it. */
export type Forms = Record<string, TableForm>;

export interface TableForm {
  title: string;
  body: string;
  /** Columns, or where they get other names: name to column. */
  metadata?: string[] | Record<string, string>;
  acl?: string | string[];
  include?: Record<string, { table: string; on: Record<string, string>; many?: boolean }>;
}

export function useTest() {
  return useMutation({
    mutationFn: ({ url, tables }: { url: string; tables: string[] }) =>
      call(api.POST("/v1/sources/test", { body: { url, tables } })),
  });
}

export function useTables(url: string, enabled: boolean) {
  return useQuery({
    queryKey: ["connect", "tables", url],
    queryFn: async () => (await call(api.POST("/v1/sources/tables", { body: { url } }))).tables,
    enabled,
    staleTime: Infinity,
    gcTime: 0, // the address holds a password
    retry: false,
  });
}

/** The database whose rows are shown: by its address, or that of a source, whose password the server knows. */
export type Rows = { readonly url: string } | { readonly collection: string; readonly source: string };

/** What the mapping makes of the first rows; the former preview stays while the next one is made. */
export function usePreview(of: Rows, tables: Forms, limit: number) {
  return useQuery({
    queryKey: ["connect", "preview", of, tables, limit],
    queryFn: ({ signal }) => {
      const trial = { tables: tables as never, limit };
      if ("url" in of) return call(api.POST("/v1/sources/preview", { body: { url: of.url, ...trial }, signal }));
      const params = { path: { name: of.source }, query: { collection: of.collection } };
      return call(api.POST("/v1/sources/{name}/preview", { params, body: trial, signal }));
    },
    placeholderData: keepPreviousData,
    gcTime: 0,
    retry: false,
  });
}

interface NewSource {
  name: string;
  collection: string;
  url: string;
  tables: Forms;
  mode: Mode;
}

interface NewlyMade {
  source: Model<"LiveSourceView">;
  /** Why its reading could not begin, though the source is made; null where it did. */
  failure: unknown;
}

/** Make the source; one that is read when asked is read at once. */
export function useCreateSource(then: (made: NewlyMade) => void) {
  return useAct({
    act: async (wanted: NewSource) => {
      const body = { ...wanted, tables: wanted.tables as never };
      const source = await call(api.POST("/v1/sources", { body }));
      if (wanted.mode !== "snapshot") return { source, failure: null };
      const where = { path: { name: source.name }, query: { collection: source.collection } };
      const read = call(api.POST("/v1/sources/{name}/snapshot", { params: where, body: { full: false } }));
      return { source, failure: await read.then(() => null, (error: unknown) => error) };
    },
    touches: [["collections"], ["sources"], ["overview"], ["jobs"]],
    then,
    quiet: true,
  });
}
