/** Questions and judgements as files: queries.jsonl (`{"id", "text"}`) and qrels.tsv (query-id, corpus-id, score). */
import type { NewQuestion } from "@/api/evaluation";

/** A line that does not fit; the page says it in the person's language. */
export class LineError extends Error {
  constructor(
    readonly file: "queries" | "qrels",
    readonly line: number,
    readonly text: string,
  ) {
    super(`${file}:${line}`);
  }
}

export interface Read {
  readonly queries: NewQuestion[];
  /** Questions without a judgement; they say nothing, so they are left out. */
  readonly unjudged: number;
  /** Judged ids that no question has. */
  readonly unknown: readonly string[];
}

/** Both files as one set. Throws `LineError`. */
export function readSet(queries: string, qrels: string): Read {
  const texts = readQueries(queries);
  const judged = readQrels(qrels);
  const known = [...texts].filter(([id]) => judged.has(id));
  return {
    queries: known.map(([id, text]) => ({ id, text, judgements: judged.get(id) ?? {} })),
    unjudged: texts.size - known.length,
    unknown: [...judged.keys()].filter((id) => !texts.has(id)),
  };
}

function readQueries(text: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const [line, number] of lines(text)) {
    const one = parsed(line);
    if (one === null || one.id === undefined || typeof one.text !== "string" || one.text.trim() === "") {
      throw new LineError("queries", number, line);
    }
    found.set(String(one.id), one.text);
  }
  return found;
}

function readQrels(text: string): Map<string, Record<string, number>> {
  const found = new Map<string, Record<string, number>>();
  for (const [line, number] of lines(text)) {
    const [question, document, grade, ...more] = line.split("\t");
    const isHeader = number === 1 && !/^-?\d+$/.test((grade ?? "").trim());
    if (isHeader) continue;
    const score = Number(grade);
    if (!question || !document || more.length > 0 || !Number.isInteger(score)) throw new LineError("qrels", number, line);
    found.set(question, { ...found.get(question), [document]: Math.max(0, score) });
  }
  return found;
}

function parsed(line: string): { id?: unknown; text?: unknown } | null {
  try {
    const value: unknown = JSON.parse(line);
    return typeof value === "object" ? (value as { id?: unknown; text?: unknown } | null) : null;
  } catch {
    return null;
  }
}

function* lines(text: string): Generator<[string, number]> {
  let number = 0;
  for (const line of text.replace(/^\uFEFF/, "").split(/\r?\n/)) {
    number += 1;
    if (line.trim() !== "") yield [line, number];
  }
}
