/** Live updates: what the server tells renews what the pages show. */
import { type QueryClient, useQueryClient } from "@tanstack/react-query";
import { useEffect, useState } from "react";
import type { Model } from "./client";
import { useSession } from "./session";
import type { EventName, Listener, Message } from "./stream";
import { type Events, listen } from "./tabs";

type Overview = Model<"Overview">;

const GRACE_MS = 4_000; // the server ends a stream every few minutes, and the browser is back after two seconds
const CHANNEL = "kb-events-1"; // the number changes with what the tabs say to each other

/** Whether the stream stands; false when it has been lost for longer than a moment. */
export function useLiveUpdates(): boolean {
  const client = useQueryClient();
  const { csrf } = useSession(); // tells sessions apart: tabs of another one may be told other things
  const [connected, setConnected] = useState(true);
  useEffect(() => {
    const updates = new LiveUpdates(client, `${CHANNEL} ${csrf}`, setConnected);
    return () => updates.end();
  }, [client, csrf]);
  return connected;
}

class LiveUpdates implements Listener {
  private events: Events | null = null;
  private grace: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly client: QueryClient,
    private readonly channel: string,
    private readonly tell: (connected: boolean) => void,
  ) {
    this.begin();
    for (const [name, act] of this.occasions) addEventListener(name, act);
    for (const [name, act] of this.moments) document.addEventListener(name, act);
  }

  end(): void {
    for (const [name, act] of this.occasions) removeEventListener(name, act);
    for (const [name, act] of this.moments) document.removeEventListener(name, act);
    this.pause();
  }

  onEvent(name: EventName, message: Message): void {
    HANDLERS[name](this.client, message);
  }

  onConnection(open: boolean): void {
    if (!open) {
      this.grace ??= setTimeout(() => this.tell(false), GRACE_MS);
      return;
    }
    this.endGrace();
    this.tell(true);
  }

  onRefused(): void {
    void this.client.invalidateQueries({ queryKey: ["session"] }); // it may have ended
  }

  private readonly begin = () => {
    this.events ??= listen(this.channel, this);
  };

  /** A page that is kept for going back, or frozen, must hold no connection: others could not load for it. */
  private readonly pause = () => {
    this.events?.end();
    this.events = null;
    this.endGrace();
  };

  private readonly occasions: readonly (readonly [string, () => void])[] = [
    ["pagehide", this.pause],
    ["pageshow", this.begin],
    ["online", () => this.events?.check()],
    ["offline", () => this.tell(false)],
  ];
  private readonly moments = [
    ["freeze", this.pause],
    ["resume", this.begin],
  ] as const;

  private endGrace(): void {
    clearTimeout(this.grace);
    this.grace = undefined;
  }
}

type Standing = Overview["collections"][number];

/** What the stream told last of each collection. */
const lastTold = new Map<string, Standing>();

const HANDLERS: Readonly<Record<EventName, (client: QueryClient, message: Message) => void>> = {
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
