/** What became of each file: counted, narrowed by outcome, with the reason where something went wrong. */
import { Anchor, Badge, Button, Group, Loader, Progress, SegmentedControl, Stack, Text } from "@mantine/core";
import { RotateCcw } from "lucide-react";
import { useState } from "react";
import { Link } from "react-router";
import { documentPath } from "@/api/documents";
import type { FileEnd, UploadFile } from "@/api/upload";
import { type Column, DataTable } from "@/components/DataTable";
import { useSpeech } from "@/i18n";
import { size } from "../sources/size";

const ENDS: readonly FileEnd[] = ["created", "updated", "unchanged", "skipped", "failed"];
const COLOURS: Readonly<Record<FileEnd, string>> = {
  created: "green",
  updated: "blue",
  unchanged: "gray",
  skipped: "yellow",
  failed: "red",
};
const SHOWN = 200; // rows; a browser gets slow with more, and nobody reads them

/** Whether sending the file again can help; that it is empty will not change. */
export function mayGoBetter(one: UploadFile): boolean {
  return one.state === "failed" && one.file.size > 0;
}

interface Props {
  files: readonly UploadFile[];
  again: () => void;
}

export function Outcomes({ files, again }: Props) {
  const { t } = useSpeech();
  const [which, setWhich] = useState<"all" | FileEnd>("all");
  const count = (end: FileEnd) => files.filter((one) => one.state === end).length;
  const settled = ENDS.reduce((sum, end) => sum + count(end), 0);
  const shown = which === "all" ? files : files.filter((one) => one.state === which);
  const open = settled < files.length;
  return (
    <Stack gap="sm">
      <Group justify="space-between">
        <Text fw={600} role="status">
          {t(open ? "upload.under-way" : "upload.settled", { settled, all: files.length })}
        </Text>
        {files.some(mayGoBetter) && !open && (
          <Button size="xs" variant="default" leftSection={<RotateCcw size={14} aria-hidden />} onClick={again}>
            {t("upload.again")}
          </Button>
        )}
      </Group>
      <Progress value={(settled / files.length) * 100} animated={open} aria-label={t("upload.progress")} />
      <SegmentedControl
        size="xs"
        aria-label={t("upload.which")}
        value={which}
        onChange={(value) => setWhich(value as "all" | FileEnd)}
        data={[
          { value: "all", label: `${t("common.all")} (${files.length})` },
          ...ENDS.map((end) => ({ value: end, label: `${t(`upload.end.${end}`)} (${count(end)})` })),
        ]}
      />
      <Table files={shown.slice(0, SHOWN)} />
      {shown.length > SHOWN && (
        <Text size="sm" c="dimmed">
          {t("upload.more", { count: shown.length - SHOWN })}
        </Text>
      )}
      {open && (
        <Text size="sm" c="dimmed">
          {t("upload.leave")}
        </Text>
      )}
    </Stack>
  );
}

function Table({ files }: { files: readonly UploadFile[] }) {
  const { t, language } = useSpeech();
  const columns: Column<UploadFile>[] = [
    { head: t("upload.file"), cell: (one) => <Name file={one} />, width: "40%", long: true },
    { head: t("upload.size"), numeric: true, cell: (one) => size(one.file.size, language), width: 110 },
    { head: t("upload.outcome"), cell: (one) => <State file={one} />, width: 160 },
    {
      head: t("common.reason"),
      cell: (one) => (
        <Text size="sm" c={one.state === "failed" ? "red" : "dimmed"}>
          {one.why}
        </Text>
      ),
      long: true,
    },
  ];
  return <DataTable name={t("upload.table")} columns={columns} rows={files} rowKey={(one) => one.id} />;
}

function Name({ file }: { file: UploadFile }) {
  const stored = file.state === "created" || file.state === "updated" || file.state === "unchanged";
  if (!stored) return file.path;
  return (
    <Anchor component={Link} to={documentPath(file.wishes.collection, file.wishes.prefix + file.path)}>
      {file.path}
    </Anchor>
  );
}

function State({ file }: { file: UploadFile }) {
  const { t } = useSpeech();
  if (file.state === "waiting" || file.state === "sending" || file.state === "storing") {
    return (
      <Group gap={6} wrap="nowrap">
        {file.state !== "waiting" && <Loader size={12} aria-hidden />}
        <Text size="sm">{t(`upload.state.${file.state}`)}</Text>
      </Group>
    );
  }
  return (
    <Badge variant="light" color={COLOURS[file.state]} tt="none">
      {t(`upload.end.${file.state}`)}
    </Badge>
  );
}
