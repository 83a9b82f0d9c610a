/** Conditions on metadata, put together without knowing how the API writes them. */
import { ActionIcon, Button, Group, Select, Stack, TextInput } from "@mantine/core";
import { Plus, X } from "lucide-react";
import { useDraft } from "@/hooks/draft";
import { type PlainKey, useSpeech } from "@/i18n";

type Operator = "$eq" | "$ne" | "$gte" | "$lte" | "$contains" | "$prefix" | "$exists";
const OPERATORS: readonly (readonly [Operator, PlainKey])[] = [
  ["$eq", "filter.is"],
  ["$ne", "filter.is-not"],
  ["$gte", "filter.least"],
  ["$lte", "filter.most"],
  ["$contains", "filter.contains"],
  ["$prefix", "filter.prefix"],
  ["$exists", "filter.exists"],
];

interface Condition {
  readonly field: string;
  readonly operator: Operator;
  readonly value: string;
}

interface Props {
  value: Record<string, unknown> | null;
  change: (filter: Record<string, unknown> | null) => void;
}

const NOTHING: Condition = { field: "", operator: "$eq", value: "" };

export function MetadataFilter({ value, change }: Props) {
  const { t } = useSpeech();
  const [conditions, setConditions, say] = useDraft<readonly Condition[]>(JSON.stringify(value), () => conditionsOf(value));
  const keep = (now: readonly Condition[]) => {
    const filter = filterOf(now);
    setConditions(now);
    say(JSON.stringify(filter));
    change(filter);
  };
  const set = (place: number, part: Partial<Condition>) =>
    keep(conditions.map((one, at) => (at === place ? { ...one, ...part } : one)));
  return (
    <Stack gap={6} align="flex-start" role="group" aria-label={t("filter.name")}>
      {conditions.map((one, place) => (
        <Group key={place} gap={6} wrap="nowrap">
          <TextInput
            size="xs"
            w={150}
            aria-label={t("filter.field")}
            placeholder={t("filter.field")}
            value={one.field}
            onChange={(event) => set(place, { field: event.currentTarget.value })}
          />
          <Select
            size="xs"
            w={120}
            aria-label={t("filter.operator")}
            data={OPERATORS.map(([operator, name]) => ({ value: operator, label: t(name) }))}
            value={one.operator}
            onChange={(operator) => set(place, { operator: (operator ?? "$eq") as Operator })}
            allowDeselect={false}
          />
          {one.operator !== "$exists" && (
            <TextInput
              size="xs"
              w={150}
              aria-label={t("filter.value")}
              placeholder={t("filter.value")}
              value={one.value}
              onChange={(event) => set(place, { value: event.currentTarget.value })}
            />
          )}
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={t("filter.remove")}
            onClick={() => keep(conditions.filter((_, at) => at !== place))}
          >
            <X size={14} aria-hidden />
          </ActionIcon>
        </Group>
      ))}
      <Button
        size="compact-xs"
        variant="subtle"
        leftSection={<Plus size={13} aria-hidden />}
        onClick={() => setConditions([...conditions, NOTHING])}
      >
        {t("filter.add")}
      </Button>
    </Stack>
  );
}

/** What the API takes; null where nothing is narrowed. */
function filterOf(conditions: readonly Condition[]): Record<string, unknown> | null {
  const parts = conditions
    .filter((one) => one.field.trim() && (one.operator === "$exists" || one.value.trim()))
    .map((one) => ({ [one.field.trim()]: conditionOf(one.operator, one.value.trim()) }));
  if (parts.length === 0) return null;
  return parts.length === 1 ? (parts[0] as Record<string, unknown>) : { $and: parts };
}

const OF_TEXTS: readonly Operator[] = ["$contains", "$prefix"];
const EITHER: Readonly<Partial<Record<Operator, string>>> = { $eq: "$in", $ne: "$nin" };

/** The form does not tell text from numbers: "1200" is, or is not, either of them. */
function conditionOf(operator: Operator, text: string): Record<string, unknown> {
  if (operator === "$exists") return { $exists: true };
  const value = OF_TEXTS.includes(operator) ? text : typed(text);
  const either = EITHER[operator];
  return either && value !== text ? { [either]: [text, value] } : { [operator]: value };
}

/** Numbers and truth values as such; all else is text, also "007" and digits that a number cannot keep apart. */
function typed(text: string): string | number | boolean {
  if (text === "true" || text === "false") return text === "true";
  return /^-?(0|[1-9]\d{0,14})(\.\d+)?$/.test(text) ? Number(text) : text;
}

/** The inverse of `filterOf`, for filters that it made. */
function conditionsOf(filter: Record<string, unknown> | null): Condition[] {
  if (filter === null) return [];
  const parts = Array.isArray(filter["$and"]) ? (filter["$and"] as Record<string, unknown>[]) : [filter];
  return parts.flatMap((part) =>
    Object.entries(part).flatMap(([field, condition]) => {
      if (typeof condition !== "object" || condition === null) return [];
      const [operator, value] = Object.entries(condition)[0] ?? ["$eq", ""];
      const one = OPERATORS.find(([name]) => EITHER[name] === operator)?.[0] ?? (operator as Operator);
      return [{ field, operator: one, value: String(Array.isArray(value) ? value[0] : value) }];
    }),
  );
}

/** A filter in an address; null where the address holds none that can be read. */
export function readFilter(text: string | null): Record<string, unknown> | null {
  if (!text) return null;
  try {
    const read: unknown = JSON.parse(text);
    return typeof read === "object" && read !== null && !Array.isArray(read) ? (read as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}
