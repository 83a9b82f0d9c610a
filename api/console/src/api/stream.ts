/** The server's events as they come, tried again for as long as they are wanted. */
import type { Model } from "./client";

type Overview = Model<"Overview">;

/** What an event holds; each holds the part that it is named after. */
export interface Message {
  at: string;
  freshness: Overview["collections"];
  sources: Overview["sources"];
  jobs: Model<"JobView">[];
  alerts: Overview["alerts"];
}

const EVENTS = ["freshness", "sources", "jobs", "alerts"] as const;
export type EventName = (typeof EVENTS)[number];

/** Who wants to know what the server tells. */
export interface Listener {
  onEvent(name: EventName, message: Message): void;
  /** Whether the connection is open now. */
  onConnection(open: boolean): void;
  /** The server answered something else than events: the session may have ended. */
  onRefused(): void;
}

const AGAIN_MS = 3_000; // after the browser gave up itself
const SILENT_MS = 25_000; // without a word; a server that stands says something every ten seconds

export class EventStream {
  private source: EventSource | null = null;
  private again: ReturnType<typeof setTimeout> | undefined;
  private silence: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly listener: Listener) {
    this.begin();
  }

  /** Try at once, as after the network was away. */
  restart(): void {
    this.end();
    this.begin();
  }

  end(): void {
    this.source?.close();
    clearTimeout(this.again);
    clearTimeout(this.silence);
  }

  private begin(): void {
    const source = new EventSource("/v1/events");
    this.source = source;
    this.watch();
    source.onopen = () => {
      this.watch();
      this.listener.onConnection(true);
    };
    source.onerror = () => this.failed(source);
    for (const name of EVENTS) {
      source.addEventListener(name, (event: MessageEvent<string>) => {
        this.watch();
        this.listener.onEvent(name, JSON.parse(event.data));
      });
    }
    source.addEventListener("heartbeat", () => this.watch());
  }

  /** Begin anew unless something is heard in time: a server that hangs keeps the connection open. */
  private watch(): void {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => {
      this.listener.onConnection(false);
      this.restart();
    }, SILENT_MS);
  }

  private failed(source: EventSource): void {
    this.listener.onConnection(false);
    if (source.readyState !== EventSource.CLOSED) return; // the browser tries again by itself
    clearTimeout(this.again);
    this.again = setTimeout(() => {
      this.listener.onRefused();
      this.begin();
    }, AGAIN_MS);
  }
}
