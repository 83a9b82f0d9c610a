/**
 * One stream for all tabs of a browser, which keeps only six connections to a server: with a stream in each tab, the
 * seventh would not load. One tab, the one that holds a lock, listens and tells the others what it hears. The browser
 * gives the lock to the next one when that tab is gone; where it is there but does not answer, a tab takes it away.
 */
import { type EventName, EventStream, type Listener, type Message } from "./stream";

const CHECK_MS = 4_000; // between two questions whether the tab that listens is well
const MAX_UNANSWERED = 2;
const MAX_JOBS = 50; // as many as the server tells of who begins to listen

/** What the tabs say to each other; `to`: for that tab only. */
type Said =
  | { kind: "told"; name: EventName; message: Message; to?: string }
  | { kind: "stands"; open: boolean; hidden: boolean; to?: string }
  | { kind: "refused" }
  | { kind: "asks"; from: string; everything: boolean };

/** What a tab has of the events: begun when it is made, until its end. */
export interface Events {
  /** Make sure of the connection now. */
  check(): void;
  end(): void;
}

/** The events of the tab, shared with all that give the same name; where the browser cannot share, its own. */
export function listen(name: string, listener: Listener): Events {
  // Locks are for pages that came over https or from this machine.
  return navigator.locks && window.BroadcastChannel ? new SharedEvents(name, listener) : new OwnEvents(listener);
}

/** A stream of the tab's own, open only while the tab is seen. */
class OwnEvents implements Events {
  private stream: EventStream | null = null;

  constructor(private readonly listener: Listener) {
    document.addEventListener("visibilitychange", this.seen);
    this.seen();
  }

  check(): void {
    this.stream?.restart();
  }

  end(): void {
    document.removeEventListener("visibilitychange", this.seen);
    this.close();
  }

  private readonly seen = () => {
    if (document.hidden) this.close();
    else this.stream ??= new EventStream(this.listener);
  };

  private close(): void {
    this.stream?.end();
    this.stream = null;
  }
}

class SharedEvents implements Events {
  private readonly me = crypto.randomUUID();
  private readonly channel: BroadcastChannel;
  private readonly latest = new Map<EventName, Message>(); // of the tab that listens, for tabs that come later
  private readonly timer: ReturnType<typeof setInterval>;
  private stream: EventStream | null = null; // of the tab that listens
  private open = false;
  private unanswered = 0;
  private turn = 0; // counts how often we queued for the lock; what an earlier turn does is void
  private waiting = new AbortController();
  private release: () => void = () => undefined;

  constructor(
    private readonly name: string,
    private readonly listener: Listener,
  ) {
    this.channel = new BroadcastChannel(name);
    this.channel.onmessage = (event: MessageEvent<Said>) => this.hear(event.data);
    this.timer = setInterval(this.look, CHECK_MS);
    document.addEventListener("visibilitychange", this.look);
    void this.queue();
    this.ask(true);
  }

  check(): void {
    if (this.stream !== null) this.stream.restart();
    else this.ask(false);
  }

  end(): void {
    clearInterval(this.timer);
    document.removeEventListener("visibilitychange", this.look);
    this.leave();
    this.channel.close();
  }

  /** Wait for the lock, or take it away from whoever has it; then listen until it is released or taken away. */
  private async queue(takingAway = false): Promise<void> {
    const turn = ++this.turn;
    this.waiting = new AbortController();
    this.unanswered = 0;
    const how = takingAway ? { steal: true } : { signal: this.waiting.signal };
    try {
      await navigator.locks.request(this.name, how, () => this.lead(turn));
    } catch (error) {
      // Not taken away from us, but not to be had at all: rather a stream too many than none.
      if (turn === this.turn && (error as DOMException).name !== "AbortError") return void this.lead(turn);
    }
    if (turn !== this.turn) return;
    this.stop();
    void this.queue();
  }

  private leave(): void {
    this.turn += 1;
    this.waiting.abort();
    this.release();
    this.stop();
  }

  private stop(): void {
    this.stream?.end();
    this.stream = null;
    this.open = false;
    this.latest.clear();
  }

  /** Listen for all; resolves when the lock is to be released. */
  private lead(turn: number): Promise<void> {
    if (turn !== this.turn) return Promise.resolve();
    this.stream = new EventStream({
      onEvent: (name, message) => {
        this.latest.set(name, name === "jobs" ? withEarlierJobs(message, this.latest.get(name)) : message);
        this.say({ kind: "told", name, message });
        this.listener.onEvent(name, message);
      },
      onConnection: (open) => {
        this.open = open;
        this.sayState();
        this.listener.onConnection(open);
      },
      onRefused: () => {
        this.say({ kind: "refused" });
        this.listener.onRefused();
      },
    });
    return new Promise((resolve) => {
      this.release = resolve;
    });
  }

  /** Look whether the tab that listens is well. A tab that nobody sees need not know. */
  private readonly look = () => {
    if (this.stream !== null || document.hidden) return;
    if (this.unanswered >= MAX_UNANSWERED) this.takeAway();
    else this.ask(false);
  };

  private takeAway(): void {
    this.leave();
    void this.queue(true);
  }

  private ask(everything: boolean): void {
    this.unanswered += 1;
    this.say({ kind: "asks", from: this.me, everything });
  }

  private hear(said: Said): void {
    if (said.kind === "asks") {
      if (this.stream !== null) this.answer(said.from, said.everything);
      return;
    }
    if (this.stream !== null) return; // from before the lock was ours
    this.unanswered = 0;
    if (said.kind === "refused") this.listener.onRefused();
    else if (said.to !== undefined && said.to !== this.me) return;
    else if (said.kind === "told") this.listener.onEvent(said.name, said.message);
    else {
      this.listener.onConnection(said.open);
      // The browser slows down what a hidden tab does, and with it how soon it tries again.
      if (!said.open && said.hidden && !document.hidden) this.takeAway();
    }
  }

  private answer(to: string, everything: boolean): void {
    if (everything) for (const [name, message] of this.latest) this.say({ kind: "told", name, message, to });
    this.sayState(to);
  }

  private sayState(to?: string): void {
    this.say({ kind: "stands", open: this.open, hidden: document.hidden, to });
  }

  private say(said: Said): void {
    this.channel.postMessage(said);
  }
}

/** The server tells everything once and then only the jobs that changed; who comes later needs the others too. */
function withEarlierJobs(message: Message, before: Message | undefined): Message {
  const told = new Set(message.jobs.map((one) => one.id));
  const others = before?.jobs.filter((one) => !told.has(one.id)) ?? [];
  return { ...message, jobs: [...message.jobs, ...others].slice(0, MAX_JOBS) };
}
