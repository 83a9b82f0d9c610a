/** The login, or the pages behind it. */
import { Suspense, useState } from "react";
import { Route, Routes, useLocation, useParams } from "react-router";
import { useIsMissing } from "@/api/collections";
import { allows, SessionContext, useSession, useSessionQuery } from "@/api/session";
import { ConfirmProvider } from "@/components/confirm";
import { Empty } from "@/components/Empty";
import { Failure } from "@/components/Failure";
import { Loading } from "@/components/Loaded";
import { Page } from "@/components/Page";
import { useSpeech } from "@/i18n";
import { Boundary } from "./Boundary";
import { Login } from "./Login";
import { PAGES, type PageEntry } from "./pages";
import { Shell } from "./Shell";

export function App() {
  const session = useSessionQuery();
  if (session.isPending) return <Loading />;
  if (session.data === undefined) return <Failure error={session.error} retry={() => void session.refetch()} />;
  if (session.data === null) return <Login />;
  return (
    <SessionContext.Provider value={session.data}>
      <ConfirmProvider>
        <Shell>
          <Pages />
        </Shell>
      </ConfirmProvider>
    </SessionContext.Provider>
  );
}

function Pages() {
  const { pathname } = useLocation();
  return (
    <Boundary place={pathname}>
      <Suspense fallback={<Loading />}>
        <Routes>
          {PAGES.map((page) => (
            <Route key={page.path} path={page.path} element={<Guarded key={page.path} page={page} />} />
          ))}
          <Route path="*" element={<NoSuchPage />} />
        </Routes>
      </Suspense>
    </Boundary>
  );
}

/** The page, or why it is not for this session; the API refuses too, whatever is shown here. */
function Guarded({ page }: { page: PageEntry }) {
  const { t, textOr } = useSpeech();
  const session = useSession();
  const { pathname } = useLocation();
  const { collection } = useParams();
  const isMissing = useIsMissing(collection);
  // What is loaded already is shown at once: behind a lazy one React shows its placeholder for 300 ms.
  const [Component] = useState(() => page.loaded() ?? page.Component);
  if (isMissing) {
    return (
      <Page title={t(page.name)}>
        <Empty title={t("shell.no-such-collection", { name: collection ?? "" })}>{t("shell.no-such-collection-text")}</Empty>
      </Page>
    );
  }
  if (allows(session, page.right)) return <Component key={pathname} />; // begins anew with another collection
  const words = { right: t(`right.${page.right}`), scope: textOr(`right.${session.scope}`, session.scope) };
  return <Empty title={t("shell.not-allowed")}>{t("shell.not-allowed-text", words)}</Empty>;
}

function NoSuchPage() {
  const { t } = useSpeech();
  return <Empty title={t("shell.no-such-page")}>{t("shell.no-such-page-text")}</Empty>;
}
