/** The exchangeable parts that are installed, by what they are for. */
import { Badge, Paper, Stack, Text, Title } from "@mantine/core";
import { type Module, useModules } from "@/api/models";
import { Columns } from "@/components/Columns";
import { Loaded } from "@/components/Loaded";
import { useSpeech } from "@/i18n";

export function Modules() {
  const { t } = useSpeech();
  const modules = useModules();
  return (
    <Stack gap="md">
      <Text size="sm" c="dimmed" maw={640}>
        {t("models.modules-lead")}
      </Text>
      <Loaded query={modules}>
        {(found) => (
          <Columns>
            {[...new Set(found.map((one) => one.kind))].map((kind) => (
              <Kind key={kind} kind={kind} modules={found.filter((one) => one.kind === kind)} />
            ))}
          </Columns>
        )}
      </Loaded>
    </Stack>
  );
}

function Kind({ kind, modules }: { kind: string; modules: readonly Module[] }) {
  const { t, textOr } = useSpeech();
  return (
    <Paper withBorder radius="md" p="md">
      <Title order={2} size="h5">
        {textOr(`module.${kind}`, kind)}
      </Title>
      <Stack gap="xs" mt="xs">
        {modules.map((one) => (
          <div key={one.name}>
            <Text size="sm" fw={600} component="span">
              {one.name}
            </Text>{" "}
            {one.origin !== "built-in" && (
              <Badge size="xs" variant="light" tt="none" title={t("models.from")}>
                {one.origin}
              </Badge>
            )}
            <Text size="xs" c="dimmed">
              {one.summary}
            </Text>
          </div>
        ))}
      </Stack>
    </Paper>
  );
}
