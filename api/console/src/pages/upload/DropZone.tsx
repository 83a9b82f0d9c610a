/** Where files and folders are dropped; two buttons do the same for who uses no mouse. */
import { Button, Group, Stack, Text } from "@mantine/core";
import { FileUp, FolderUp, UploadCloud } from "lucide-react";
import { type DragEvent, useRef, useState } from "react";
import { useSpeech } from "@/i18n";
import classes from "./DropZone.module.css";
import { chosen, dropped, type Found } from "./entries";

export function DropZone({ add }: { add: (found: Found[]) => void }) {
  const { t } = useSpeech();
  const [over, setOver] = useState(false);
  const files = useRef<HTMLInputElement>(null);
  const folder = useRef<HTMLInputElement>(null);
  const drop = (event: DragEvent) => {
    event.preventDefault();
    setOver(false);
    void dropped(event.dataTransfer).then(add);
  };
  const choose = (input: HTMLInputElement) => {
    add(chosen(input.files));
    input.value = ""; // so that the same file can be chosen again
  };
  return (
    <div
      className={over ? `${classes.zone} ${classes.over}` : classes.zone}
      role="region"
      aria-label={t("upload.zone")}
      onDragOver={(event) => {
        event.preventDefault();
        setOver(true);
      }}
      onDragLeave={() => setOver(false)}
      onDrop={drop}
    >
      <Stack align="center" gap="xs" ta="center">
        <UploadCloud size={36} aria-hidden />
        <Text fw={600}>{t("upload.drop")}</Text>
        <Text size="sm" c="dimmed" maw={560}>
          {t("upload.types")}
        </Text>
        <Group gap="xs" justify="center">
          <Button leftSection={<FileUp size={16} aria-hidden />} onClick={() => files.current?.click()}>
            {t("upload.files")}
          </Button>
          <Button variant="default" leftSection={<FolderUp size={16} aria-hidden />} onClick={() => folder.current?.click()}>
            {t("upload.folder")}
          </Button>
        </Group>
      </Stack>
      <input ref={files} type="file" multiple hidden aria-label={t("upload.files")} onChange={(event) => choose(event.currentTarget)} />
      <input
        ref={folder}
        type="file"
        hidden
        aria-label={t("upload.folder")}
        onChange={(event) => choose(event.currentTarget)}
        {...{ webkitdirectory: "" }}
      />
    </div>
  );
}
