/** The file of each page by its address below /console. Nothing else: the first script of all reads this. */
import type { ComponentType } from "react";

export type Loader = () => Promise<{ default: ComponentType }>;

export const FILES = {
  "/": () => import("@/pages/overview/Overview"),
  "/c/:collection/search": () => import("@/pages/search/SearchLab"),
  "/c/:collection/chat": () => import("@/pages/chat/Chat"),
  "/c/:collection/documents": () => import("@/pages/documents/Documents"),
  "/c/:collection/documents/view": () => import("@/pages/documents/DocumentPage"),
  "/c/:collection/sources": () => import("@/pages/sources/Sources"),
  "/c/:collection/sources/:source": () => import("@/pages/sources/Source"),
  "/sources": () => import("@/pages/sources/Sources"),
  "/c/:collection/letters": () => import("@/pages/letters/Letters"),
  "/c/:collection/upload": () => import("@/pages/upload/Upload"),
  "/connect": () => import("@/pages/connect/Connect"),
  "/collections": () => import("@/pages/collections/Collections"),
  "/c/:collection/evaluation": () => import("@/pages/evaluation/Evaluation"),
  "/c/:collection/evaluation/:set": () => import("@/pages/evaluation/EvalSet"),
  "/c/:collection/tuning": () => import("@/pages/tuning/Tuning"),
  "/c/:collection/tuning/:experiment": () => import("@/pages/tuning/Experiment"),
  "/jobs": () => import("@/pages/jobs/Jobs"),
  "/c/:collection/models": () => import("@/pages/models/Models"),
  "/access": () => import("@/pages/access/Access"),
} satisfies Readonly<Record<string, Loader>>;

export type PagePath = keyof typeof FILES;

/** The page at an address below /console; undefined where there is none. A part that begins with a colon is any. */
export function pageAt(pathname: string): PagePath | undefined {
  const asked = parts(pathname);
  return (Object.keys(FILES) as PagePath[]).find((path) => {
    const named = parts(path);
    return named.length === asked.length && named.every((part, at) => part.startsWith(":") || part === asked[at]);
  });
}

function parts(path: string): string[] {
  return path.split("/").filter((part) => part !== "");
}
