/** Every page: its address, its name, who may see it, and the file it is loaded from when it is opened. */
import {
  Database,
  FileText,
  Gauge,
  Library,
  MailWarning,
  MessageSquareText,
  PlugZap,
  Search,
  Upload,
} from "lucide-react";
import { Boxes, CalendarClock, ClipboardCheck, FlaskConical, KeyRound } from "lucide-react";
import { type ComponentType, lazy, type LazyExoticComponent } from "react";
import { matchPath } from "react-router";
import type { Right } from "@/api/session";
import type { PlainKey } from "@/i18n";

export type Section = "shell.ask" | "shell.knowledge" | "shell.quality" | "shell.operate";
type Loader = () => Promise<{ default: ComponentType }>;

export interface PageEntry {
  /** Below /console; `/c/:collection/…` for pages about one collection. */
  readonly path: string;
  readonly name: PlainKey;
  readonly right: Right;
  readonly Component: LazyExoticComponent<ComponentType>;
  /** Load the page's file; afterwards `loaded` is what it holds. */
  readonly load: () => Promise<void>;
  readonly loaded: () => ComponentType | null;
  /** Where the menu lists it; not at all without it. */
  readonly section?: Section | null;
  readonly Icon?: ComponentType<{ size?: number; "aria-hidden"?: boolean }>;
}

function page(path: string, name: PlainKey, right: Right, loader: Loader, menu: Partial<PageEntry> = {}): PageEntry {
  let found: ComponentType | null = null;
  const load = async () => {
    found = (await loader()).default;
  };
  return { path, name, right, Component: lazy(loader), load, loaded: () => found, ...menu };
}

const ASK = "shell.ask";
const KNOWLEDGE = "shell.knowledge";
const QUALITY = "shell.quality";
const OPERATE = "shell.operate";

export const PAGES: readonly PageEntry[] = [
  page("/", "page.overview", "read", () => import("@/pages/overview/Overview"), { section: null, Icon: Gauge }),
  page("/c/:collection/search", "page.search", "read", () => import("@/pages/search/SearchLab"), { section: ASK, Icon: Search }),
  page("/c/:collection/chat", "page.chat", "read", () => import("@/pages/chat/Chat"), { section: ASK, Icon: MessageSquareText }),
  page("/c/:collection/documents", "page.documents", "read", () => import("@/pages/documents/Documents"), {
    section: KNOWLEDGE,
    Icon: FileText,
  }),
  page("/c/:collection/documents/view", "page.documents", "read", () => import("@/pages/documents/DocumentPage")),
  page("/c/:collection/sources", "page.sources", "write", () => import("@/pages/sources/Sources"), { section: KNOWLEDGE, Icon: Database }),
  page("/c/:collection/sources/:source", "page.sources", "admin", () => import("@/pages/sources/Source")),
  page("/sources", "page.sources", "write", () => import("@/pages/sources/Sources")),
  page("/c/:collection/letters", "page.letters", "admin", () => import("@/pages/letters/Letters"), { section: KNOWLEDGE, Icon: MailWarning }),
  page("/c/:collection/upload", "page.upload", "write", () => import("@/pages/upload/Upload"), { section: KNOWLEDGE, Icon: Upload }),
  page("/connect", "page.connect", "admin", () => import("@/pages/connect/Connect"), { section: KNOWLEDGE, Icon: PlugZap }),
  page("/collections", "page.collections", "write", () => import("@/pages/collections/Collections"), { section: KNOWLEDGE, Icon: Library }),
  page("/c/:collection/evaluation", "page.evaluation", "read", () => import("@/pages/evaluation/Evaluation"), {
    section: QUALITY,
    Icon: ClipboardCheck,
  }),
  page("/c/:collection/evaluation/:set", "page.evaluation", "read", () => import("@/pages/evaluation/EvalSet")),
  page("/c/:collection/tuning", "page.tuning", "read", () => import("@/pages/tuning/Tuning"), {
    section: QUALITY,
    Icon: FlaskConical,
  }),
  page("/c/:collection/tuning/:experiment", "page.tuning", "read", () => import("@/pages/tuning/Experiment")),
  page("/jobs", "page.jobs", "read", () => import("@/pages/jobs/Jobs"), { section: OPERATE, Icon: CalendarClock }),
  page("/c/:collection/models", "page.models", "read", () => import("@/pages/models/Models"), { section: OPERATE, Icon: Boxes }),
  page("/access", "page.access", "operator", () => import("@/pages/access/Access"), { section: OPERATE, Icon: KeyRound }),
];

export const SECTIONS = [ASK, KNOWLEDGE, QUALITY, OPERATE] as const;

/** Load the file of the page at an address below /console, so that it can be shown at once. */
export async function loadPage(pathname: string): Promise<void> {
  await PAGES.find((one) => matchPath(one.path, pathname))?.load();
}
