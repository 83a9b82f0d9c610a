/** Addresses in the search lab, as somebody of certain groups would see it. */

export function seenBy(collection: string, groups: readonly string[]): string {
  return `/c/${collection}/search?groups=${encodeURIComponent(groups.join(","))}`;
}
