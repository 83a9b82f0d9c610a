/** Names of groups: shown, and chosen. */
import { Badge, Group, TagsInput, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { api, call } from "@/api/client";
import { useAllows, useSession } from "@/api/session";
import { useSpeech } from "@/i18n";

export function GroupBadges({ groups }: { groups: readonly string[] }) {
  const { t } = useSpeech();
  if (groups.length === 0) {
    return (
      <Text size="sm" c="dimmed" component="span">
        {t("groups.nobody")}
      </Text>
    );
  }
  return (
    <Group gap={4} component="span" display="inline-flex">
      {groups.map((group) => (
        <Badge key={group} variant="default" tt="none" fw={500}>
          {group}
        </Badge>
      ))}
    </Group>
  );
}

interface Props {
  label: string;
  hint?: string;
  value: readonly string[];
  change: (groups: string[]) => void;
  size?: string;
}

/** Groups to choose: those of the session, and for an operator those of all keys; others can be typed. */
export function GroupsInput({ label, hint, value, change, size }: Props) {
  const { t } = useSpeech();
  return (
    <TagsInput
      label={label}
      description={hint}
      placeholder={value.length === 0 ? t("groups.type") : undefined}
      data={useKnownGroups()}
      value={[...value]}
      onChange={change}
      clearable
      clearButtonProps={{ "aria-label": t("groups.clear") }}
      acceptValueOnBlur
      size={size}
    />
  );
}

function useKnownGroups(): string[] {
  const session = useSession();
  const allows = useAllows();
  const keys = useQuery({
    queryKey: ["keys", "groups"],
    queryFn: async () => (await call(api.GET("/v1/keys", { params: { query: { limit: 500 } } }))).keys,
    enabled: allows("operator"),
    staleTime: 60_000,
  });
  const known = new Set(["everyone", ...session.groups, ...(keys.data ?? []).flatMap((key) => key.groups)]);
  return [...known].sort();
}
