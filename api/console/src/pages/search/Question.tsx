/** The question, how many hits, on which conditions, and as whom. */
import { Button, Collapse, Group, Paper, Stack, Text, TextInput } from "@mantine/core";
import { Search } from "lucide-react";
import { type FormEvent, useEffect, useState } from "react";
import { useSession } from "@/api/session";
import { GroupsInput } from "@/components/Groups";
import { MetadataFilter } from "@/components/MetadataFilter";
import { NumberField } from "@/components/NumberField";
import { useSpeech } from "@/i18n";
import { DEFAULT_TOP, type Lab } from "./state";

interface Props {
  collection: string;
  lab: Lab;
  change: (part: Partial<Lab>) => void;
}

export function Question({ lab, change }: Props) {
  const { t } = useSpeech();
  const session = useSession();
  const [typed, setTyped] = useState(lab.query);
  const narrowed = lab.filter !== null || lab.groups.length > 0 || lab.top !== DEFAULT_TOP;
  const [more, setMore] = useState(narrowed);
  useEffect(() => setTyped(lab.query), [lab.query]); // the way back leads to another question
  useEffect(() => {
    if (narrowed) setMore(true); // no condition holds unseen
  }, [narrowed]);
  const ask = (event: FormEvent) => {
    event.preventDefault();
    change({ query: typed.trim() });
  };
  return (
    <Paper withBorder radius="md" p="md" component="form" onSubmit={ask} role="search">
      <Group gap="sm" align="flex-end">
        <TextInput
          label={t("search.query")}
          placeholder={t("search.query-hint")}
          leftSection={<Search size={15} aria-hidden />}
          value={typed}
          onChange={(event) => setTyped(event.currentTarget.value)}
          flex="1 1 300px"
          data-autofocus
        />
        <Button type="submit" disabled={!typed.trim()}>
          {t("search.go")}
        </Button>
        <Button variant="default" onClick={() => setMore(!more)} aria-expanded={more}>
          {t("search.more")}
        </Button>
      </Group>
      <Collapse expanded={more}>
        <Stack gap="sm" mt="md">
          <Group gap="lg" align="flex-start">
            <NumberField
              label={t("search.top")}
              value={lab.top}
              change={(top) => change({ top })}
              required={more}
              min={1}
              max={100}
              allowDecimal={false}
              w={140}
            />
            {(session.scope === "admin" || session.groups.length > 0) && (
              <GroupsInput
                label={t("search.as-groups")}
                hint={t("search.as-groups-hint")}
                value={lab.groups}
                change={(groups) => change({ groups })}
              />
            )}
          </Group>
          <div>
            <Text size="sm" fw={500}>
              {t("filter.name")}
            </Text>
            <Text size="xs" c="dimmed" mb={6}>
              {t("filter.hint")}
            </Text>
            <MetadataFilter value={lab.filter} change={(filter) => change({ filter })} />
          </div>
        </Stack>
      </Collapse>
    </Paper>
  );
}
