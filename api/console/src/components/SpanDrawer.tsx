/** The stretch of a stored document that a hit or a citation points to, without leaving the page. */
import { Alert, Anchor, Group, Stack, Text } from "@mantine/core";
import { Link } from "react-router";
import { documentPath, useDocument } from "@/api/documents";
import { Loaded } from "@/components/Loaded";
import { SourceText } from "@/components/SourceText";
import { Time } from "@/components/Time";
import { useSpeech } from "@/i18n";
import { Drawer } from "./overlays";

export interface Pointed {
  readonly key: string;
  readonly title: string;
  readonly start: number;
  readonly end: number;
  /** What it said when it was cited; told where the document says something else by now. */
  readonly quote?: string;
  /** Page and headings, in words. */
  readonly place?: string;
}

interface Props {
  collection: string;
  pointed: Pointed | null;
  close: () => void;
}

export function SpanDrawer({ collection, pointed, close }: Props) {
  return (
    <Drawer
      opened={pointed !== null}
      onClose={close}
      closeOnClickOutside
      title={pointed?.title || pointed?.key}
    >
      {pointed && <Content collection={collection} pointed={pointed} />}
    </Drawer>
  );
}

function Content({ collection, pointed }: { collection: string; pointed: Pointed }) {
  const { t } = useSpeech();
  const document = useDocument(collection, pointed.key);
  const { key, start, end } = pointed;
  return (
    <Loaded query={document}>
      {(found) => (
        <Stack gap="sm">
          <Group justify="space-between" gap="xs">
            <Text size="sm" c="dimmed">
              {found.key} · {pointed.place && `${pointed.place} · `}
              {t("documents.as-of")} <Time value={found.as_of} />
            </Text>
            <Anchor component={Link} to={documentPath(collection, key, { start, end })} size="sm" underline="always">
              {t("documents.open")}
            </Anchor>
          </Group>
          {hasChanged(found.text, pointed) && <Alert color="yellow">{t("documents.changed-since")}</Alert>}
          <SourceText text={found.text} span={[start, end]} label={t("documents.text")} height="calc(100vh - 180px)" />
        </Stack>
      )}
    </Loaded>
  );
}

/** Whether that stretch says something else than it did. */
function hasChanged(text: string, { quote, start, end }: Pointed): boolean {
  return quote !== undefined && Array.from(text).slice(start, end).join("") !== quote;
}
