/** Lists of any length, a page at a time: `limit` and `cursor` of the API, with the way back remembered. */
import { keepPreviousData, useQuery } from "@tanstack/react-query";
import { useState } from "react";

export const PAGE_SIZE = 50;

interface Fetched {
  next_cursor?: string | null;
}

/** The current page of a list, and how to turn it. `key` names the list; another key begins at its first page. */
export function usePages<T extends Fetched>(
  key: readonly unknown[],
  fetch: (cursor?: string) => Promise<T>,
  enabled = true,
) {
  const name = JSON.stringify(key);
  const [listed, setListed] = useState(name);
  const [cursors, setCursors] = useState<readonly string[]>([]);
  if (name !== listed) {
    setListed(name);
    setCursors([]);
  }
  const cursor = cursors.at(-1);
  const query = useQuery({
    queryKey: [...key, "page", cursor ?? ""],
    queryFn: () => fetch(cursor),
    placeholderData: keepPreviousData,
    enabled,
  });
  const following = query.data?.next_cursor ?? null;
  const isTurning = query.isPlaceholderData; // what is shown, and what follows it, is still the former page
  const next = () => {
    if (following !== null && !isTurning) setCursors([...cursors, following]);
  };
  return {
    query,
    number: cursors.length + 1,
    next: following === null ? null : next,
    previous: cursors.length === 0 ? null : () => setCursors(cursors.slice(0, -1)),
  };
}
