/** What the search core says of its stages and questions, in the person's language. */
import type { Speech } from "@/i18n";

/** The server's sentences, and the texts for them; what stands in a group is a parameter of the text. */
const SENTENCES: readonly (readonly [sentence: RegExp, key: string])[] = [
  [/^what serves already was not beaten by more than chance$/, "said.not-beaten"],
  [/^(?<count>\d+) questions? (?:is|are) too few to (?:learn from|remember); expected (?<least>\d+) or more$/, "said.too-few"],
  [/^no two parts share a document/, "said.apart"],
  [/^no (?:penalty|kind) was better on the questions it was chosen by$/, "said.none-better"],
  [/^(?<gain>[+-][\d.]+) on (?<count>\d+) questions? that did not choose it$/, "said.no-gain"],
  [/^(?:a gain of )?(?<gain>[+-][\d.]+) on (?<count>\d+)(?: questions? is no gain beyond chance| may be chance)$/, "said.chance"],
  [/^questions made from the corpus /, "said.made"],
  [/^(?:the time was over, or the run was stopped, before|the time did not suffice|the run was stopped before)/, "said.time"],
  [/^a search by words alone has no vectors to compare$/, "said.words-alone"],
  [/^a single passage has no neighbours/, "said.single"],
  [/^vectors that a graph network gives are measured, not served$/, "said.not-served"],
  [/^the search space (?:has no|does not fit)/, "said.space"],
  [/^in place of the diffusion/, "said.instead"],
  [/^in place of the ranker/, "said.instead-ranker"],
  [/^searches would take (?<ratio>[\d.]+) times as long/, "said.slower"],
  [/^the encoder knows (?<share>[\d.]+)% of the words, and (?<count>\d+) judged questions? .+\(expected (?<least>\d+)\)/, "said.knows"],
  [/^the time suffices for (?<count>\d+) steps of training at (?<seconds>[\d.]+) s each, expected at least (?<least>\d+)/, "said.steps"],
  [/^(?<count>\d+) questions? without text (?:was|were) left out$/, "said.left-empty"],
  [/^(?<count>\d+) questions? without judged documents (?:was|were) left out$/, "said.left-unjudged"],
  [/^(?<count>\d+) questions? whose relevant documents are not in the collection (?:was|were) left out$/, "said.left-absent"],
  [/^(?<count>\d+) of the documents that are judged relevant, to (?<questions>\d+) of the questions, are not in/, "said.absent"],
  [/^(?<count>\d+) questions that contradict each other were left out$/, "said.left-contrary"],
  [/^evaluation set (?<quote>['"])(?<name>.+)\k<quote> was passed over: it has (?<size>\d+) .+, at least (?<least>\d+) /, "said.passed-over"],
  [/^(?<count>\d+) earlier runs? tested on these sealed questions.+ below (?<level>[\d.e-]+) instead of/, "said.worn"],
  [/^what serves learned from (?<count>\d+) of the questions/, "said.learned"],
  [/^which questions the (?:serving adapter|tuned encoder) was taught is not known/, "said.unknown"],
  [/^the corpus, the questions or what serves changed before the run went on/, "said.changed"],
];

/** A sentence of the server; its own words where it is another one. */
export function told(sentence: string, { textOr }: Speech): string {
  for (const [pattern, key] of SENTENCES) {
    const found = pattern.exec(sentence);
    if (found) return textOr(key, sentence, { ...found.groups });
  }
  return sentence;
}
