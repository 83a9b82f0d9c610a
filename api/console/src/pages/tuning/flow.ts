/** An architecture as the way of a question: stages with their choices, placed for a drawing. Pure; no words, no colours. */
import type { Choice, ChoiceGraph } from "@/api/tuning";

type StageName =
  | "question"
  | "encoder"
  | "graph"
  | "words"
  | "vectors"
  | "fusion"
  | "feedback"
  | "precedents"
  | "diffusion"
  | "ranker"
  | "other"
  | "hits";

export interface Stage {
  readonly name: StageName;
  readonly choices: readonly Choice[];
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
  /** Whether a search goes through it; a dashed box does nothing. */
  readonly used: boolean;
  readonly moved: boolean;
}

export interface Flow {
  readonly stages: readonly Stage[];
  readonly edges: readonly (readonly [Stage, Stage])[];
  readonly width: number;
  readonly height: number;
}

// in the picture's own units
const BOX = 236;
const END_BOX = 84; // the last one holds no choices
const GAP_X = 30;
const GAP_Y = 22;
const HEAD = 32;
export const LINE = 21;
const END = 12;
const MARGIN = 8;

const COLUMNS: readonly (readonly StageName[])[] = [
  ["question", "encoder", "graph"],
  ["words", "vectors"],
  ["fusion"],
  ["feedback", "precedents", "diffusion", "ranker", "other"],
  ["hits"],
];

const EDGES: readonly (readonly [StageName, StageName])[] = [
  ["question", "words"],
  ["question", "vectors"],
  ["encoder", "vectors"],
  ["graph", "vectors"],
  ["words", "fusion"],
  ["vectors", "fusion"],
];

const FROM_FUSION = ["fusion", "feedback", "precedents", "diffusion", "ranker", "hits"] as const; // one after another

// Drawn only where there are choices of theirs.
const RARE: ReadonlySet<StageName> = new Set(["encoder", "graph", "precedents", "ranker", "other"]);

const BY_NAME: Readonly<Record<string, StageName>> = {
  sparse_depth: "words",
  dense_depth: "vectors",
  adapter: "vectors",
  fusion: "fusion",
  normalisation: "fusion",
  dense_weight: "fusion",
  adaptive: "fusion",
  feedback: "feedback",
  feedback_top: "feedback",
  precedents: "precedents",
  ranker: "ranker",
};

/** The stages of an architecture and the way between them. */
export function flowOf(graph: ChoiceGraph): Flow {
  const by = new Map<StageName, Choice[]>();
  for (const node of graph.nodes) {
    const stage = stageOf(node);
    by.set(stage, [...(by.get(stage) ?? []), node]);
  }
  const values = new Map(graph.nodes.map((node) => [node.name, node.value]));
  const present = (name: StageName) => by.has(name) || !RARE.has(name);
  const idle = (name: StageName) => Number(!isUsed(name, values));
  const stages = COLUMNS.flatMap((names, column) => {
    let y = MARGIN;
    // idle ones below the others, so that no way leads across them
    const placed = names.filter(present).sort((one, other) => idle(one) - idle(other));
    return placed.map((name) => {
      const choices = by.get(name) ?? [];
      const height = HEAD + choices.length * LINE + (choices.length > 0 ? END : 0);
      const stage: Stage = {
        name,
        choices,
        x: MARGIN + column * (BOX + GAP_X),
        y,
        width: name === "hits" ? END_BOX : BOX,
        height,
        used: isUsed(name, values),
        moved: choices.some((one) => one.moved),
      };
      y += height + GAP_Y;
      return stage;
    });
  });
  const height = Math.max(...stages.map((stage) => stage.y + stage.height)) + MARGIN;
  const known = new Map(stages.map((stage) => [stage.name, stage]));
  const edges = EDGES.flatMap(([from, to]) => {
    const start = known.get(from);
    const end = known.get(to);
    return start && end && start.used && end.used ? [[start, end] as const] : [];
  });
  return { stages, edges: [...edges, ...fromFusion(known)], width: MARGIN * 2 + (COLUMNS.length - 1) * (BOX + GAP_X) + END_BOX, height };
}

/** The edges from fusion on; where a stage in between is not used, the way leads past it. */
function fromFusion(known: ReadonlyMap<StageName, Stage>): (readonly [Stage, Stage])[] {
  const way = FROM_FUSION.flatMap((name) => {
    const stage = known.get(name);
    return stage?.used ? [stage] : [];
  });
  return way.slice(1).map((stage, place) => [way[place] as Stage, stage] as const);
}

function stageOf({ name, tier }: Choice): StageName {
  const known = BY_NAME[name];
  if (known) return known;
  if (name.startsWith("diffusion.")) return "diffusion";
  return tier === "graph" || tier === "encoder" ? tier : "other";
}

function isUsed(name: StageName, values: ReadonlyMap<string, unknown>): boolean {
  if (name === "words") return values.get("fusion") !== "dense";
  if (name === "vectors") return values.get("fusion") !== "sparse";
  if (name === "feedback") return Number(values.get("feedback") ?? 0) > 0;
  if (name === "diffusion") return (values.get("diffusion.edges") ?? "none") !== "none";
  if (name === "precedents") return Number(values.get("precedents") ?? 0) > 0;
  if (name === "ranker") return Number(values.get("ranker") ?? 0) > 0;
  if (name === "graph") return Number(values.get("graph.depth") ?? 0) > 0;
  if (name === "encoder") return values.get("encoder.train") !== "none" || values.get("encoder.vocabulary") !== "none";
  return true;
}

/** The line from one box to another: from the right side to the left, or from below to above in one column. */
export function edgePath([start, end]: readonly [Stage, Stage]): string {
  if (start.x === end.x) {
    const x = start.x + start.width / 2;
    return `M${x} ${start.y + start.height} L${x} ${end.y - 7}`;
  }
  const [x1, y1] = [start.x + start.width, start.y + Math.min(start.height, HEAD * 2) / 2];
  const [x2, y2] = [end.x - 7, end.y + Math.min(end.height, HEAD * 2) / 2];
  const middle = (x1 + x2) / 2;
  return `M${x1} ${y1} C${middle} ${y1} ${middle} ${y2} ${x2} ${y2}`;
}
