/** Texts with parameters: `{name}` is replaced, and `one thing|{count} things` chosen by `count`. */
import type { Parameters } from "./types";

const PLACE = /\{(\w+)\}/g;

/** The text with its parameters in it; numbers as the language writes them. */
export function fill(text: string, parameters: Parameters, language: string): string {
  const [one = text, many] = text.split("|", 2);
  const chosen = many !== undefined && Number(parameters["count"]) !== 1 ? many : one;
  return chosen.replace(PLACE, (place, name: string) => {
    const value = parameters[name];
    if (value === undefined) return place;
    return typeof value === "number" ? value.toLocaleString(language) : value;
  });
}
