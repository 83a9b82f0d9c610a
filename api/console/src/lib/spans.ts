/** Offsets of the API count characters as Python does, by code points; JavaScript counts UTF-16 units. */

const SURROGATE = /[\uD800-\uDFFF]/;

/** UTF-16 indices of code point offsets, in the order given; beyond the end of the text, its end. */
export function unitOffsets(text: string, offsets: readonly number[]): number[] {
  if (!SURROGATE.test(text)) return offsets.map((offset) => Math.min(offset, text.length));
  const wanted = new Map<number, number>();
  const last = Math.max(0, ...offsets);
  let unit = 0;
  for (let point = 0; point <= last; point += 1) {
    wanted.set(point, Math.min(unit, text.length));
    unit += (text.codePointAt(unit) ?? 0) > 0xffff ? 2 : 1;
  }
  return offsets.map((offset) => wanted.get(offset) ?? text.length);
}

interface Piece {
  readonly text: string;
  readonly marked: boolean;
}

/** The text cut at marked spans (start, end), which may touch but not overlap. */
export function pieces(text: string, spans: readonly (readonly [number, number])[]): Piece[] {
  const sorted = [...spans].sort((one, other) => one[0] - other[0]);
  const units = unitOffsets(text, sorted.flat());
  const found: Piece[] = [];
  let at = 0;
  sorted.forEach((_, place) => {
    const start = Math.max(at, units[2 * place] ?? text.length);
    const end = Math.max(start, units[2 * place + 1] ?? text.length);
    if (start > at) found.push({ text: text.slice(at, start), marked: false });
    if (end > start) found.push({ text: text.slice(start, end), marked: true });
    at = end;
  });
  if (at < text.length) found.push({ text: text.slice(at), marked: false });
  return found;
}
