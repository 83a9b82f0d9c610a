/** What all pages need, and the pages; loaded by begin.ts. */
import { MantineProvider } from "@mantine/core";
import { Notifications } from "@mantine/notifications";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { BrowserRouter } from "react-router";
import { ApiError } from "./api/client";
import { prefetchSession } from "./api/session";
import { App } from "./app/App";
import { loadPage } from "./app/pages";
import { theme } from "./app/theme";
import { BASE } from "./base";
import { SpeechProvider } from "./i18n";

const FRESH_MS = 2_000; // what was read this long ago is shown again without asking
const MAX_TRIES = 2;

const client = new QueryClient({
  defaultOptions: {
    queries: {
      staleTime: FRESH_MS,
      // What the server refused it refuses again; what did not answer may.
      retry: (tries, error) => tries < MAX_TRIES && (!(error instanceof ApiError) || error.status === 0 || error.status === 503),
    },
  },
});

const root = document.getElementById("root");
if (root === null) throw new Error("index.html has no element with the id root");
const drawing = createRoot(root);
const draw = () =>
  drawing.render(
    <StrictMode>
      <MantineProvider theme={theme} defaultColorScheme="auto" withCssVariables={false} withGlobalClasses={false}>
        <QueryClientProvider client={client}>
          <SpeechProvider>
            <Notifications position="bottom-right" />
            <BrowserRouter basename={BASE}>
              <App />
            </BrowserRouter>
          </SpeechProvider>
        </QueryClientProvider>
      </MantineProvider>
    </StrictMode>,
  );

// Who is logged in and the page's file are asked for at once, and drawn when both are there: one drawing instead of three.
void Promise.allSettled([prefetchSession(client), loadPage(location.pathname.slice(BASE.length))]).then(draw);
