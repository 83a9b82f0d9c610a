/** What differs between two texts: by lines first, then word by word within the lines that changed. */

export interface Change {
  readonly kind: "same" | "gone" | "new";
  readonly text: string;
}

const MAX_STEPS = 500; // of difference between two runs; beyond, all of the one is gone and all of the other new
const LINE = /[^\n]*\n|[^\n]+$/g;
// A word with the space after it; characters of scripts without spaces are words of their own.
const WORD = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}]|[\p{L}\p{N}_]+\s*|[^\p{L}\p{N}_]/gu;

/** The stretches that both have, that only `before` had and that only `after` has, in order. */
export function difference(before: string, after: string): Change[] {
  const changes: Change[] = [];
  let gone = "";
  let added = "";
  const settle = () => {
    if (gone && added) changes.push(...compared(cut(gone, WORD), cut(added, WORD)));
    else if (gone) changes.push({ kind: "gone", text: gone });
    else if (added) changes.push({ kind: "new", text: added });
    gone = added = "";
  };
  for (const change of compared(cut(before, LINE), cut(after, LINE))) {
    if (change.kind === "gone") gone += change.text;
    else if (change.kind === "new") added += change.text;
    else {
      settle();
      changes.push(change);
    }
  }
  settle();
  return merged(changes);
}

function cut(text: string, pattern: RegExp): string[] {
  return text.match(pattern) ?? [];
}

/** Myers 1986, greedy: the shortest way from one run of pieces to the other. */
function compared(before: readonly string[], after: readonly string[]): Change[] {
  const most = Math.min(before.length + after.length, MAX_STEPS);
  const trace: Map<number, number>[] = [];
  let reached = new Map<number, number>([[1, 0]]);
  for (let steps = 0; steps <= most; steps += 1) {
    trace.push(new Map(reached));
    for (let diagonal = -steps; diagonal <= steps; diagonal += 2) {
      const down = diagonal === -steps || (diagonal !== steps && at(reached, diagonal - 1) < at(reached, diagonal + 1));
      let x = down ? at(reached, diagonal + 1) : at(reached, diagonal - 1) + 1;
      let y = x - diagonal;
      while (x < before.length && y < after.length && before[x] === after[y]) {
        x += 1;
        y += 1;
      }
      reached.set(diagonal, x);
      if (x >= before.length && y >= after.length) return path(trace, before, after);
    }
    reached = new Map(reached);
  }
  return merged([
    { kind: "gone", text: before.join("") },
    { kind: "new", text: after.join("") },
  ]);
}

function path(trace: readonly Map<number, number>[], before: readonly string[], after: readonly string[]): Change[] {
  const changes: Change[] = [];
  let x = before.length;
  let y = after.length;
  for (let steps = trace.length - 1; steps >= 0; steps -= 1) {
    const reached = trace[steps] as Map<number, number>;
    const diagonal = x - y;
    const down = diagonal === -steps || (diagonal !== steps && at(reached, diagonal - 1) < at(reached, diagonal + 1));
    const formerDiagonal = down ? diagonal + 1 : diagonal - 1;
    const formerX = at(reached, formerDiagonal);
    const formerY = formerX - formerDiagonal;
    while (x > formerX && y > formerY) {
      x -= 1;
      y -= 1;
      changes.push({ kind: "same", text: before[x] ?? "" });
    }
    if (steps === 0) break;
    if (down) changes.push({ kind: "new", text: after[formerY] ?? "" });
    else changes.push({ kind: "gone", text: before[formerX] ?? "" });
    x = formerX;
    y = formerY;
  }
  return merged(changes.reverse());
}

function at(reached: Map<number, number>, diagonal: number): number {
  return reached.get(diagonal) ?? -1;
}

function merged(changes: readonly Change[]): Change[] {
  const found: Change[] = [];
  for (const change of changes) {
    if (!change.text) continue;
    const last = found.at(-1);
    if (last?.kind === change.kind) found[found.length - 1] = { kind: last.kind, text: last.text + change.text };
    else found.push(change);
  }
  return found;
}
