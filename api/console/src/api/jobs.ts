/** Jobs and schedules. */
import { useQuery } from "@tanstack/react-query";
import { useAct } from "@/hooks/act";
import { useSpeech } from "@/i18n";
import { api, call, type Model } from "./client";

export type Job = Model<"JobView">;
export type Schedule = Model<"ScheduleView">;
export type JobState = "queued" | "running" | "succeeded" | "failed" | "cancelled";
export const JOB_STATES: readonly JobState[] = ["queued", "running", "succeeded", "failed", "cancelled"];
/** Kinds that need no collection: over all of them then. */
export const KINDS_OF_ALL: readonly string[] = ["verify", "compaction", "snapshot", "retention"];
/** Kinds that cannot be held to one collection. */
export const KINDS_OF_ALL_ONLY: readonly string[] = ["retention"];

const MANY = 500;

export interface JobFilter {
  readonly state: JobState | null;
  readonly kind: string | null;
  readonly collection: string | null;
}

export function isOpen(job: Job): boolean {
  return isOpenState(job.state);
}

export function isOpenState(state: string | undefined): boolean {
  return state === "queued" || state === "running";
}

export function fetchJobs({ state, kind, collection }: JobFilter, limit: number, cursor?: string) {
  const query = { limit, ...(cursor && { cursor }), ...(state && { state }), ...(kind && { kind }), ...(collection && { collection }) };
  return call(api.GET("/v1/jobs", { params: { query } }));
}

/** One job, as live updates tell it. */
export function useJob(id: string | null) {
  return useQuery({
    queryKey: ["job", id],
    queryFn: () => call(api.GET("/v1/jobs/{job}", { params: { path: { job: id ?? "" } } })),
    enabled: id !== null,
  });
}

export function useStartJob(then: (job: Job) => void) {
  const { t, textOr } = useSpeech();
  return useAct({
    act: (body: Model<"JobBody">) => call(api.POST("/v1/jobs", { body })),
    done: (job) => t("jobs.started", { kind: textOr(`job.${job.kind}`, job.kind) }),
    touches: [["jobs"]],
    then,
    quiet: true,
  });
}

export function useCancelJob() {
  const { t } = useSpeech();
  return useAct({
    act: (job: Job) => call(api.POST("/v1/jobs/{job}/cancel", { params: { path: { job: job.id } } })),
    done: t("jobs.cancelled"),
    touches: [["jobs"], ["job"], ["experiments"]],
  });
}

export function useRetryJob() {
  const { t } = useSpeech();
  return useAct({
    act: (job: Job) => call(api.POST("/v1/jobs/{job}/retry", { params: { path: { job: job.id } } })),
    done: t("jobs.retried"),
    touches: [["jobs"], ["job"], ["experiments"]],
  });
}

export function useSchedules() {
  return useQuery({
    queryKey: ["schedules"],
    queryFn: async () => (await call(api.GET("/v1/schedules", { params: { query: { limit: MANY } } }))).schedules,
  });
}

export function useScheduleActs() {
  const { t } = useSpeech();
  const touches = [["schedules"], ["jobs"]];
  const path = (name: string) => ({ params: { path: { name } } });
  const change = useAct({
    act: ({ name, body }: { name: string; body: Model<"ScheduleChange"> }) =>
      call(api.PATCH("/v1/schedules/{name}", { ...path(name), body })),
    done: (one) => t("jobs.schedule-changed", { name: one.name }),
    touches,
  });
  const run = useAct({
    act: (name: string) => call(api.POST("/v1/schedules/{name}/run", path(name))),
    done: (job) => t("jobs.schedule-runs", { name: job.schedule }),
    touches,
  });
  const remove = useAct({
    act: (name: string) => call(api.DELETE("/v1/schedules/{name}", path(name))),
    done: (_, name) => t("jobs.schedule-deleted", { name }),
    touches,
  });
  return { change, run, remove };
}

export function useCreateSchedule(then: () => void) {
  const { t } = useSpeech();
  return useAct({
    act: (body: Model<"ScheduleBody">) => call(api.POST("/v1/schedules", { body })),
    done: (made) => t("jobs.schedule-made", { name: made.name }),
    touches: [["schedules"]],
    then,
    quiet: true,
  });
}
