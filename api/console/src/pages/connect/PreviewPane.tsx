/** The documents that the mapping makes of the first rows, and what goes wrong. */
import { Alert, Badge, Group, LoadingOverlay, Paper, Stack, Text, Title } from "@mantine/core";
import type { UseQueryResult } from "@tanstack/react-query";
import type { Preview } from "@/api/connect";
import { Failure } from "@/components/Failure";
import { GroupBadges } from "@/components/Groups";
import { Loading } from "@/components/Loaded";
import { useSpeech } from "@/i18n";
import classes from "./PreviewPane.module.css";

interface Props {
  preview: UseQueryResult<Preview>;
  stale: boolean;
  table: string;
}

export function PreviewPane({ preview, stale, table }: Props) {
  const { t } = useSpeech();
  const documents = (preview.data?.documents ?? []).filter((one) => one.key.startsWith(`${table}/`));
  return (
    <Stack gap="sm" role="region" aria-label={t("connect.preview")} pos="relative">
      <div>
        <Title order={2} size="h4">
          {t("connect.preview")}
        </Title>
        <Text size="sm" c="dimmed" role="status">
          {t(stale ? "connect.preview-stale" : "connect.preview-hint")}
        </Text>
      </div>
      {preview.isPending && <Loading />}
      {preview.isError && <Failure error={preview.error} />}
      {(preview.data?.errors ?? []).map((one) => (
        <Alert key={`${one.table}/${one.key}`} color="red" title={one.key === null ? one.table : `${one.table}/${one.key}`}>
          {one.message}
        </Alert>
      ))}
      {preview.data && !preview.isError && documents.length === 0 && (
        <Alert color="yellow">{t("connect.preview-empty", { table })}</Alert>
      )}
      <div className={classes.documents}>
        <LoadingOverlay visible={stale && !preview.isError} overlayProps={{ backgroundOpacity: 0.35 }} loaderProps={{ size: "sm" }} />
        {documents.map((one) => (
          <Paper key={one.key} withBorder radius="md" p="md" component="article" aria-label={one.key}>
            <Text size="xs" c="dimmed">
              {one.key}
            </Text>
            <Text fw={700}>{one.title || t("common.untitled")}</Text>
            <Text size="sm" className={classes.text}>
              {one.text}
            </Text>
            <Group gap={6} mt="xs">
              {Object.entries(one.metadata).map(([name, value]) => (
                <Badge key={name} variant="default" tt="none" fw={500}>
                  {name}: {typeof value === "string" ? value : JSON.stringify(value)}
                </Badge>
              ))}
            </Group>
            <Group gap={6} mt={6}>
              <Text size="xs" c="dimmed">
                {t("connect.read-by")}
              </Text>
              {one.acl == null ? <Text size="xs">{t("connect.default-readers")}</Text> : <GroupBadges groups={one.acl} />}
            </Group>
          </Paper>
        ))}
      </div>
    </Stack>
  );
}
