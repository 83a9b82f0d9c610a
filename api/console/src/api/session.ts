/** Who is logged in: the session's cookie is out of reach, what it stands for is asked of the server. */
import { notifications } from "@mantine/notifications";
import { type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext } from "react";
import { useAct } from "@/hooks/act";
import { useSpeech } from "@/i18n";
import { ApiError, api, call, type Model, onLoggedOut, onTokenRefused, setCsrfToken } from "./client";
import { noteSession, sessionIsLikely } from "./early";

type Session = Model<"SessionView">;
/** What a page needs: a scope, or `operator`: admin of all collections. */
export type Right = "read" | "write" | "admin" | "operator";

const KEY = ["session"] as const;
const RANKS: Record<string, number> = { read: 0, write: 1, admin: 2 };

let ended = false;

/** Whether there was a session that ended without a logout here. */
export function sessionEnded(): boolean {
  return ended;
}

async function whoIsLoggedIn(): Promise<Session | null> {
  try {
    return remember(await call(api.GET("/console/session")));
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      ended ||= sessionIsLikely();
      noteSession(false);
      return null;
    }
    throw error;
  }
}

function remember(session: Session): Session {
  setCsrfToken(session.csrf);
  noteSession(true);
  ended = false;
  return session;
}

/** Ask who is logged in before anything is drawn; what fails is asked again where it is shown. */
export function prefetchSession(client: QueryClient): Promise<void> {
  return client.prefetchQuery({ queryKey: KEY, queryFn: whoIsLoggedIn, staleTime: Infinity, retry: false });
}

/** The session, null where nobody is logged in; and pages end when the server forgets it. */
export function useSessionQuery() {
  const client = useQueryClient();
  onLoggedOut(() => {
    if (!client.getQueryData(KEY)) return;
    ended = true;
    end(client);
  });
  onTokenRefused(async () => {
    const before = client.getQueryData<Session>(KEY);
    const now = await whoIsLoggedIn();
    if (!before || now === null) return false;
    if (holderOf(now) === holderOf(before)) {
      client.setQueryData(KEY, now);
      return true;
    }
    location.reload(); // what these pages show is another's
    return new Promise(() => undefined);
  });
  return useQuery({ queryKey: KEY, queryFn: whoIsLoggedIn, staleTime: Infinity, retry: 2 });
}

export function useLogin() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: async (key: string) => remember(await call(api.POST("/console/session", { body: { key } }))),
    onSuccess: (session) => client.setQueryData(KEY, session),
  });
}

/** What tells holders apart, whenever they logged in. */
function holderOf({ name, scope, collections, groups }: Session): string {
  return JSON.stringify([name, scope, collections, groups]);
}

/** Ends the session at the server, then its pages; where the server does not, they stay. */
export function useLogout() {
  const client = useQueryClient();
  const { t } = useSpeech();
  return useAct({
    act: () =>
      call(api.DELETE("/console/session")).catch((error: unknown) => {
        if (!(error instanceof ApiError && error.status === 401)) throw error; // 401: it has ended before
      }),
    then: () => end(client),
    failed: t("shell.still-in"),
  });
}

/** Show the login, and keep nothing of what the session was shown. */
function end(client: QueryClient): void {
  noteSession(false);
  notifications.clean();
  // Not all at once with clear(): what shows the pages would not hear that the session is gone, and show them on.
  client.setQueryData(KEY, null);
  client.removeQueries({ predicate: ({ queryKey }) => queryKey[0] !== KEY[0] });
  client.getMutationCache().clear();
}

export function useLoginWays() {
  return useQuery({ queryKey: ["login-ways"], queryFn: () => call(api.GET("/console/login-ways")) });
}

export const SessionContext = createContext<Session | null>(null);

/** The session of the pages behind the login. */
export function useSession(): Session {
  const session = useContext(SessionContext);
  if (session === null) throw new Error("useSession is used outside of the pages behind the login");
  return session;
}

/** Whether the session has that right. */
export function allows(session: Session, right: Right): boolean {
  if (right === "operator") return session.scope === "admin" && session.collections == null;
  return (RANKS[session.scope] ?? -1) >= (RANKS[right] ?? Infinity);
}

export function useAllows(): (right: Right) => boolean {
  const session = useSession();
  return (right) => allows(session, right);
}
