/** Types of dictionaries: a missing or a surplus text, or a missing parameter, does not compile. */

/** The names in braces of a text. */
export type Names<Text extends string> = Text extends `${string}{${infer Name}}${infer Rest}`
  ? Name | Names<Rest>
  : never;

/** A dictionary of the same texts in another language. */
export type Translation<Dictionary> = { readonly [Key in keyof Dictionary]: string };

export type Parameters = Readonly<Record<string, string | number>>;

/** The arguments of `t` after the key: none where the text has no parameters. */
export type Arguments<Text extends string> = [Names<Text>] extends [never]
  ? []
  : [Readonly<Record<Names<Text>, string | number>>];
