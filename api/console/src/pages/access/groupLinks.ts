/** Addresses in the search lab, as somebody of certain groups would see it. */
const EVERYBODY = "everyone"; // the group of whoever has no other; an address without a group means one's own rights

export function seenBy(collection: string, groups: readonly string[]): string {
  const named = groups.length > 0 ? groups : [EVERYBODY];
  return `/c/${collection}/search?${new URLSearchParams(named.map((name) => ["group", name]))}`;
}
