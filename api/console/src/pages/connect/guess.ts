/** A first mapping of a table, from the names and types of its columns; a person changes what it has wrong. */
import type { Forms, Join, TableForm, TableInfo } from "@/api/connect";

const TITLES = ["title", "name", "question", "subject", "headline", "label", "标题", "名称", "问题", "主题"];
const RIGHTS = ["acl", "visible_to", "visibility", "allowed_groups", "groups", "roles"];
const FACTS = ["category", "status", "type", "kind", "tag", "tags", "language", "lang", "year", "price", "country"];
const TEXT = /char|text|string|clob|enum/i;
const KEYS = /(^|_)(id|uuid|guid)$/i;

/** A column or alias as templates name it: in quotes where it has other characters than letters, digits and _. */
export function named(name: string): string {
  return /^[\p{L}\p{N}_]+$/u.test(name) ? name : `"${name}"`;
}

function isText(type: string): boolean {
  return TEXT.test(type);
}

/** A title, a body of the other texts, and what looks like rights and facts. */
export function guess(table: TableInfo): TableForm {
  const columns = table.columns.map((column) => column.name);
  const texts = table.columns.filter((column) => isText(column.type) && !KEYS.test(column.name)).map((column) => column.name);
  const title = best(texts, TITLES) ?? texts[0] ?? columns[0] ?? "";
  const acl = columns.find((name) => RIGHTS.includes(name.toLowerCase()));
  const metadata = columns.filter((name) => FACTS.includes(name.toLowerCase()) && name !== title);
  const body = texts.filter((name) => name !== title && name !== acl && !metadata.includes(name));
  const lines = (body.length > 0 ? body : [title]).map((name) => `{${named(name)}}`);
  const form: TableForm = { title: named(title), body: lines.join("\n") };
  if (metadata.length > 0) form.metadata = metadata;
  if (acl !== undefined) form.acl = acl;
  return form;
}

/** The mapping of these tables: what is there already, else a guess. */
export function guessed(chosen: readonly string[], forms: Forms, tables: readonly TableInfo[]): Forms {
  const formOf = (name: string): TableForm => {
    const table = tables.find((one) => one.name === name);
    return forms[name] ?? (table === undefined ? { title: "", body: "" } : guess(table));
  };
  return Object.fromEntries(chosen.map((name) => [name, formOf(name)]));
}

/** The column of a joined table that says most: its title. */
export function joinedColumn(join: Join, tables: readonly TableInfo[]): string | null {
  const table = tables.find((one) => one.name === join.table);
  return table === undefined ? null : guess(table).title;
}

function best(columns: readonly string[], wanted: readonly string[]): string | undefined {
  for (const name of wanted) {
    const exact = columns.find((column) => column.toLowerCase() === name);
    if (exact !== undefined) return exact;
  }
  return columns.find((column) => wanted.some((name) => column.toLowerCase().endsWith(name)));
}
