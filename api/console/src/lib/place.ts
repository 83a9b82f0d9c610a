/** Where a person finds what is cited: page and headings of a document, table and key of a row. */
import type { Citation } from "@/api/answers";
import type { Speech } from "@/i18n";

/** A citation of a conversation that an earlier version kept has none of this. */
type Placed = Partial<Pick<Citation, "page" | "heading" | "source">>;

const BETWEEN = " · ";

/** Page and headings, those that are known. */
export function placeOf({ page, heading }: Placed, { t }: Speech): string {
  return [page == null ? "" : t("documents.page", { page }), heading].filter(Boolean).join(BETWEEN);
}

/** The title with the place; of a row, with its table and key, which is the document's key. */
export function placedTitle(cited: Placed & Pick<Citation, "title">, speech: Speech): string {
  const row = cited.source?.table ? cited.source.key : "";
  return [cited.title, row, placeOf(cited, speech)].filter(Boolean).join(BETWEEN);
}
