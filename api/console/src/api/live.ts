/** Live updates: one stream of server-sent events renews what the pages show. */
import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { Model } from "./client";

type Overview = Model<"Overview">;
type Job = Model<"JobView">;

const AGAIN_MS = 3_000; // after the browser gave up itself
const GRACE_MS = 4_000; // the server ends a stream every few minutes, and the browser is back after two seconds

/** Whether the stream stands; false when it has been lost for longer than a moment. */
export function useLiveUpdates(): boolean {
  const client = useQueryClient();
  const [connected, setConnected] = useState(true);
  useEffect(() => {
    const stream = new LiveStream(client, setConnected);
    return () => stream.end();
  }, [client]);
  return connected;
}

class LiveStream {
  private source: EventSource | null = null;
  private grace: ReturnType<typeof setTimeout> | undefined;
  private again: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly client: QueryClient,
    private readonly tell: (connected: boolean) => void,
  ) {
    this.begin();
    window.addEventListener("online", this.restart);
    window.addEventListener("offline", this.lost);
  }

  end(): void {
    window.removeEventListener("online", this.restart);
    window.removeEventListener("offline", this.lost);
    this.stop();
  }

  private readonly restart = () => {
    this.stop();
    this.begin();
  };

  private readonly lost = () => this.tell(false);

  private stop(): void {
    this.source?.close();
    clearTimeout(this.grace);
    clearTimeout(this.again);
    this.grace = undefined;
  }

  private begin(): void {
    const source = new EventSource("/v1/events");
    this.source = source;
    source.onopen = () => this.opened();
    source.onerror = () => this.failed(source);
    for (const [name, apply] of Object.entries(HANDLERS)) {
      source.addEventListener(name, (event: MessageEvent<string>) => apply(this.client, JSON.parse(event.data)));
    }
  }

  private opened(): void {
    clearTimeout(this.grace);
    this.grace = undefined;
    this.tell(true);
  }

  private failed(source: EventSource): void {
    this.grace ??= setTimeout(() => this.tell(false), GRACE_MS);
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    clearTimeout(this.again);
    this.again = setTimeout(() => {
      void this.client.invalidateQueries({ queryKey: ["session"] }); // it may have ended
      this.begin();
    }, AGAIN_MS);
  }
}

interface Message {
  at: string;
  freshness: Overview["collections"];
  sources: Overview["sources"];
  jobs: Job[];
  alerts: Overview["alerts"];
}

type Standing = Overview["collections"][number];

/** What the stream told last of each collection. */
const lastTold = new Map<string, Standing>();

const HANDLERS: Readonly<Record<string, (client: QueryClient, message: Message) => void>> = {
  freshness(client, { freshness }) {
    patch(client, { collections: freshness });
    for (const one of freshness) renewContent(client, one, lastTold.get(one.name));
    const gone = [...lastTold.keys()].filter((name) => !freshness.some((one) => one.name === name));
    for (const name of gone) void client.invalidateQueries({ queryKey: ["content", name] });
    const known = client.getQueryData<{ name: string }[]>(["collections"])?.map((one) => one.name);
    const others = known && (freshness.length !== known.length || freshness.some((one) => !known.includes(one.name)));
    if (others) void client.invalidateQueries({ queryKey: ["collections"] });
    lastTold.clear();
    for (const one of freshness) lastTold.set(one.name, one);
  },
  sources(client, { sources }) {
    patch(client, { sources });
    void client.invalidateQueries({ queryKey: ["sources"] });
    void client.invalidateQueries({ queryKey: ["letters"] });
  },
  jobs(client, { jobs }) {
    for (const job of jobs) client.setQueryData(["job", job.id], job);
    void client.invalidateQueries({ queryKey: ["jobs"] });
    if (jobs.some((job) => job.kind === "tune")) void client.invalidateQueries({ queryKey: ["experiments"] });
    if (jobs.some((job) => job.kind === "reindex")) void client.invalidateQueries({ queryKey: ["generations"] });
  },
  alerts(client, { alerts }) {
    patch(client, { alerts });
  },
};

/** Read again what may be older than what is told now; `before` is what was told before, if anything. */
function renewContent(client: QueryClient, now: Standing, before: Standing | undefined): void {
  if (before?.last_seq === now.last_seq && before.searchable_seq === now.searchable_seq) return;
  if (before !== undefined && before.last_seq > now.last_seq) {
    void client.invalidateQueries({ queryKey: ["content", now.name] }); // another collection of that name
    return;
  }
  for (const { queryKey, state, promise } of client.getQueryCache().findAll({ queryKey: ["content", now.name] })) {
    const renew = (data: unknown) => {
      if (!isOf(data, String(queryKey[2]), now)) void client.invalidateQueries({ queryKey, exact: true });
    };
    if (state.fetchStatus === "fetching" && promise !== undefined) promise.then(renew, () => undefined);
    else renew(state.data);
  }
}

/** Whether an answer tells that what is told now is in it already; only some kinds of answers tell. */
function isOf(data: unknown, kind: string, now: Standing): boolean {
  const seen = (data as { seq?: number } | undefined)?.seq;
  if (seen === undefined) return false;
  if (kind === "search") return seen >= (now.searchable_seq ?? now.last_seq);
  return ["documents", "facets"].includes(kind) && seen >= now.last_seq;
}

function patch(client: QueryClient, change: Partial<Overview>): void {
  client.setQueryData<Overview>(["overview"], (now) => now && { ...now, ...change });
}
