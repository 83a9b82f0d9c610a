/** Keys, groups and the audit log. */
import { useQuery } from "@tanstack/react-query";
import { useAct } from "@/hooks/act";
import { useSpeech } from "@/i18n";
import { api, call, type Model } from "./client";
import { useAllows } from "./session";

export type AccessKey = Model<"KeyView">;
export type NewKey = Model<"NewKey">;
type KeyBody = Model<"KeyBody">;
export type Act = Model<"AuditView">;

const MANY = 1000; // keys
const BY_KEY = "key:"; // what the server writes before the number of a key

export function useKeys(enabled = true) {
  return useQuery({
    queryKey: ["keys"],
    queryFn: async () => [...(await call(api.GET("/v1/keys", { params: { query: { limit: MANY } } }))).keys].reverse(),
    enabled,
  });
}

/** Who made something, as the server tells it, for a person: a key by its name, where one may see the keys. */
export function useMaker(told: string): string {
  const { t } = useSpeech();
  const id = told.startsWith(BY_KEY) ? told.slice(BY_KEY.length) : null;
  const keys = useKeys(useAllows()("operator") && id !== null).data;
  if (id === null) return told;
  const name = keys?.find((one) => one.id === id)?.name;
  return name ? t("access.by-key", { name }) : t("access.by-some-key");
}

export function useCreateKey(then: (made: NewKey) => void) {
  return useAct({
    act: (body: KeyBody) => call(api.POST("/v1/keys", { body })),
    touches: [["keys"], ["audit"]],
    then,
    quiet: true,
  });
}

export function useRevokeKey() {
  const { t } = useSpeech();
  return useAct({
    act: (id: string) => call(api.DELETE("/v1/keys/{key_id}", { params: { path: { key_id: id } } })),
    done: (key) => t("access.revoked", { name: key.name || key.id }),
    touches: [["keys"], ["audit"]],
  });
}

/** Where a key stands. */
export function keyState(key: AccessKey, now = Date.now()): "active" | "revoked" | "expired" {
  if (key.revoked_at !== null) return "revoked";
  return key.expires_at !== null && Date.parse(key.expires_at) <= now ? "expired" : "active";
}

export interface AuditFilter {
  readonly principal: string;
  readonly action: string;
  readonly target: string;
}

export function fetchAudit(filter: AuditFilter, limit: number, cursor?: string) {
  return call(api.GET("/v1/audit", { params: { query: { ...filter, limit, ...(cursor && { cursor }) } } }));
}
