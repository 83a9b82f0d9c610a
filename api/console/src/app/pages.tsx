/** Every page: its address, its name, who may see it, and where the menu lists it. */
import {
  Boxes,
  CalendarClock,
  ClipboardCheck,
  Database,
  FileText,
  FlaskConical,
  Gauge,
  KeyRound,
  Library,
  MailWarning,
  MessageSquareText,
  PlugZap,
  Search,
  Upload,
} from "lucide-react";
import { type ComponentType, lazy, type LazyExoticComponent } from "react";
import type { Right } from "@/api/session";
import type { PlainKey } from "@/i18n";
import { FILES, type Loader, pageAt, type PagePath } from "./files";

export type Section = "shell.ask" | "shell.knowledge" | "shell.quality" | "shell.operate";

export interface PageEntry {
  /** Below /console; `/c/:collection/…` for pages about one collection. */
  readonly path: PagePath;
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

function page(path: PagePath, name: PlainKey, right: Right, menu: Partial<PageEntry> = {}): PageEntry {
  const loader: Loader = FILES[path];
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
  page("/", "page.overview", "read", { section: null, Icon: Gauge }),
  page("/c/:collection/search", "page.search", "read", { section: ASK, Icon: Search }),
  page("/c/:collection/chat", "page.chat", "read", { section: ASK, Icon: MessageSquareText }),
  page("/c/:collection/documents", "page.documents", "read", { section: KNOWLEDGE, Icon: FileText }),
  page("/c/:collection/documents/view", "page.documents", "read"),
  page("/c/:collection/sources", "page.sources", "write", { section: KNOWLEDGE, Icon: Database }),
  page("/c/:collection/sources/:source", "page.sources", "admin"),
  page("/sources", "page.sources", "write"),
  page("/c/:collection/letters", "page.letters", "admin", { section: KNOWLEDGE, Icon: MailWarning }),
  page("/c/:collection/upload", "page.upload", "write", { section: KNOWLEDGE, Icon: Upload }),
  page("/connect", "page.connect", "admin", { section: KNOWLEDGE, Icon: PlugZap }),
  page("/collections", "page.collections", "write", { section: KNOWLEDGE, Icon: Library }),
  page("/c/:collection/evaluation", "page.evaluation", "read", { section: QUALITY, Icon: ClipboardCheck }),
  page("/c/:collection/evaluation/:set", "page.evaluation", "read"),
  page("/c/:collection/tuning", "page.tuning", "read", { section: QUALITY, Icon: FlaskConical }),
  page("/c/:collection/tuning/:experiment", "page.tuning", "read"),
  page("/jobs", "page.jobs", "read", { section: OPERATE, Icon: CalendarClock }),
  page("/c/:collection/models", "page.models", "read", { section: OPERATE, Icon: Boxes }),
  page("/access", "page.access", "operator", { section: OPERATE, Icon: KeyRound }),
];

export const SECTIONS = [ASK, KNOWLEDGE, QUALITY, OPERATE] as const;

/** Load the file of the page at an address below /console, so that it can be shown at once. */
export async function loadPage(pathname: string): Promise<void> {
  const path = pageAt(pathname);
  await PAGES.find((one) => one.path === path)?.load();
}
