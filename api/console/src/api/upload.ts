/** Uploading: files are sent some at a time, each lot becomes a job, and each file hears what became of it. */
import { explain, whyFailed } from "@/components/Failure";
import type { Speech } from "@/i18n";
import { api, ApiError, call, change, failure, type Model } from "./client";

type Job = Model<"JobView">;

export type FileState = "waiting" | "sending" | "storing" | FileEnd;
/** How it ended for a file. */
export type FileEnd = "created" | "updated" | "unchanged" | "skipped" | "failed";

export interface UploadFile {
  readonly id: number;
  /** With the folders it came from. */
  readonly path: string;
  readonly file: File;
  /** As they were when it was added; the same object for all that were added together. */
  readonly wishes: UploadWishes;
  readonly state: FileState;
  readonly why: string;
}

export interface UploadWishes {
  readonly collection: string;
  readonly acl: readonly string[];
  readonly prefix: string;
}

type Tell = (ids: readonly number[], state: FileState, why?: string) => void;

const MAX_FILES = 25; // of one request: the bar should move
const MAX_BYTES = 8 * 2 ** 20; // of one request, unless a single file is larger
const LOOK_MS = 400;
const MAX_LOOK_MS = 10_000; // between two looks while the server does not answer
const UNWANTED = /^(\.|~\$)|^(thumbs\.db|desktop\.ini)$/i; // what systems leave in folders

/** Whether a file of that path is a document somebody wrote. */
export function isWanted(path: string): boolean {
  return !path.split("/").some((part) => UNWANTED.test(part));
}

/** Send the files and tell what becomes of each, in words of `speech`; returns when all are settled. */
export async function upload(files: readonly UploadFile[], tell: Tell, speech: Speech): Promise<void> {
  let storing: Promise<void> = Promise.resolve();
  for (const lot of lots(files)) {
    const ids = lot.map((one) => one.id);
    tell(ids, "sending");
    const job = await send(lot, lot[0].wishes).catch((error: unknown) => {
      tell(ids, "failed", explain(error, speech));
      return null;
    });
    if (job === null) continue;
    tell(ids, "storing");
    const before = storing;
    storing = before.then(() => settle(job, lot, tell, speech)); // the next lot is sent meanwhile
  }
  await storing;
}

/** Files of one request, added together. */
type Lot = [UploadFile, ...UploadFile[]];

function* lots(files: readonly UploadFile[]): Generator<Lot> {
  let lot: Lot | null = null;
  let size = 0;
  for (const one of files) {
    const fits = lot !== null && lot.length < MAX_FILES && size + one.file.size <= MAX_BYTES && one.wishes === lot[0].wishes;
    if (lot !== null && fits) {
      lot.push(one);
      size += one.file.size;
    } else {
      if (lot !== null) yield lot;
      lot = [one];
      size = one.file.size;
    }
  }
  if (lot !== null) yield lot;
}

async function send(lot: readonly UploadFile[], wishes: UploadWishes): Promise<Job> {
  const form = new FormData();
  for (const one of lot) form.append("files", one.file, one.path);
  for (const group of wishes.acl) form.append("acl", group);
  form.append("prefix", wishes.prefix);
  form.append("folders", "true");
  const to = `/v1/collections/${encodeURIComponent(wishes.collection)}/documents:upload?background=true`;
  let answer: Response;
  try {
    answer = await change(() => new Request(to, { method: "POST", body: form }));
  } catch {
    throw new ApiError(0, "unreachable", "");
  }
  const body: unknown = await answer.json().catch(() => ({}));
  if (!answer.ok) throw failure(answer, body);
  return body as Job;
}

async function settle(job: Job, lot: readonly UploadFile[], tell: Tell, speech: Speech): Promise<void> {
  let now = job;
  let pause = LOOK_MS;
  while (now.state === "queued" || now.state === "running") {
    await new Promise((resolve) => setTimeout(resolve, pause));
    try {
      now = await call(api.GET("/v1/jobs/{job}", { params: { path: { job: job.id } } }));
      pause = LOOK_MS;
    } catch (error) {
      if (!passes(error)) {
        tell(lot.map((one) => one.id), "failed", explain(error, speech));
        return;
      }
      pause = Math.min(2 * pause, MAX_LOOK_MS); // the job stores them meanwhile
    }
  }
  const told = (now.result?.["files"] ?? []) as Model<"UploadedFile">[];
  lot.forEach((one, place) => {
    const end = told[place];
    if (end === undefined) tell([one.id], "failed", whyFailed(now, speech) || speech.textOr(`state.${now.state}`, now.state));
    else tell([one.id], endOf(end), end.error ?? "");
  });
}

function endOf({ outcome, error }: Model<"UploadedFile">): FileEnd {
  if (outcome === "created" || outcome === "updated" || outcome === "unchanged") return outcome;
  if (outcome === "metadata") return "updated";
  if (outcome === "skipped" || outcome === "stale") return "skipped";
  return error === null || error === undefined ? "updated" : "failed";
}

/** Whether it says nothing of the job: no answer, too many requests, or a server in trouble. */
function passes(error: unknown): boolean {
  return error instanceof ApiError && (error.status === 0 || error.status === 429 || error.status >= 500);
}
