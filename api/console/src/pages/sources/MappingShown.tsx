/** How rows become documents, as it is stored; changed beside a preview of real rows. */
import { Button, Group, Stack } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Pencil } from "lucide-react";
import type { SourceStatus } from "@/api/sources";
import { CodeText, pretty } from "@/components/CodeText";
import { Drawer } from "@/components/overlays";
import { SectionHead } from "@/components/SectionHead";
import { useSpeech } from "@/i18n";
import { MappingChange } from "./MappingChange";

export function MappingShown({ collection, status }: { collection: string; status: SourceStatus }) {
  const { t } = useSpeech();
  const [opened, editor] = useDisclosure(false);
  return (
    <Stack gap="xs">
      <Group justify="space-between" align="flex-start">
        <SectionHead title={t("sources.mapping")} hint={t("sources.mapping-hint")} />
        <Button
          variant="default"
          leftSection={<Pencil size={16} aria-hidden />}
          onClick={editor.open}
          disabled={status.state !== "active"}
        >
          {t("sources.map-change")}
        </Button>
      </Group>
      <CodeText value={pretty(status.tables)} label={t("sources.mapping")} />
      <Drawer
        opened={opened}
        onClose={editor.close}
        position="right"
        size="min(1120px, 100%)"
        title={t("sources.map-title", { name: status.name })}
      >
        <MappingChange collection={collection} status={status} close={editor.close} />
      </Drawer>
    </Stack>
  );
}
