/** Who is logged in: the session's cookie is out of reach, what it stands for is asked of the server. */
import { type QueryClient, useMutation, useQuery, useQueryClient } from "@tanstack/react-query";
import { createContext, useContext } from "react";
import { ApiError, api, call, type Model, onLoggedOut, setCsrfToken } from "./client";
import { noteSession } from "./early";

export type Session = Model<"SessionView">;
/** What a page needs: a scope, or `operator`: admin of all collections. */
export type Right = "read" | "write" | "admin" | "operator";

const KEY = ["session"] as const;
const RANKS: Record<string, number> = { read: 0, write: 1, admin: 2 };

async function whoIsLoggedIn(): Promise<Session | null> {
  try {
    return remember(await call(api.GET("/console/session")));
  } catch (error) {
    if (error instanceof ApiError && error.status === 401) {
      noteSession(false);
      return null;
    }
    throw error;
  }
}

function remember(session: Session): Session {
  setCsrfToken(session.csrf);
  noteSession(true);
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
    if (client.getQueryData(KEY)) end(client);
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

export function useLogout() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: () => call(api.DELETE("/console/session")),
    onSettled: () => end(client),
  });
}

/** Show the login, and keep nothing of what the session was shown. */
function end(client: QueryClient): void {
  noteSession(false);
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
