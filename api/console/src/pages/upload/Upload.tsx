/** Upload: files and folders dropped or chosen, and what became of each. */
import { Group, Stack, TextInput } from "@mantine/core";
import { useCallback, useRef, useState } from "react";
import { useCollection } from "@/api/collections";
import { type FileState, isWanted, upload, type UploadFile, type UploadWishes } from "@/api/upload";
import { GroupsInput } from "@/components/Groups";
import { Page } from "@/components/Page";
import { useSpeech } from "@/i18n";
import { DropZone } from "./DropZone";
import type { Found } from "./entries";
import { mayGoBetter, Outcomes } from "./Outcomes";

export default function Upload() {
  const { t } = useSpeech();
  const collection = useCollection();
  const [acl, setAcl] = useState<readonly string[]>([]);
  const [prefix, setPrefix] = useState("");
  const { files, add, again } = useUploads({ collection, acl, prefix });
  return (
    <Page title={t("upload.title", { collection })} lead={t("upload.lead")}>
      <Stack gap="md">
        <DropZone add={add} />
        <Group align="flex-start" grow>
          <GroupsInput label={t("upload.readers")} hint={t("upload.readers-hint")} value={acl} change={setAcl} />
          <TextInput
            label={t("upload.prefix")}
            description={t("upload.prefix-hint")}
            placeholder="handbook/"
            value={prefix}
            maxLength={500}
            onChange={(event) => setPrefix(event.currentTarget.value)}
          />
        </Group>
        {files.length > 0 && <Outcomes files={files} again={again} />}
      </Stack>
    </Page>
  );
}

/** The files of this page, and what sends them; a lot that is added while another is under way waits for it. */
function useUploads(wishes: UploadWishes) {
  const [files, setFiles] = useState<readonly UploadFile[]>([]);
  const number = useRef(0);
  const line = useRef<Promise<void>>(Promise.resolve());
  const tell = useCallback((ids: readonly number[], state: FileState, why = "") => {
    const told = new Set(ids);
    setFiles((now) => now.map((one) => (told.has(one.id) ? { ...one, state, why } : one)));
  }, []);
  const speech = useSpeech();
  const { t } = speech;
  const send = (chosen: readonly UploadFile[]) => {
    line.current = line.current.then(() => upload(chosen, tell, speech));
  };
  const add = (found: readonly Found[]) => {
    const made = found.map(({ path, file, unreadable }): UploadFile => {
      number.current += 1;
      const one = { id: number.current, path, file, wishes };
      if (!isWanted(path)) return { ...one, state: "skipped", why: t("upload.hidden") };
      if (unreadable) return { ...one, state: "failed", why: t("upload.unreadable") };
      return { ...one, state: "waiting", why: "" };
    });
    setFiles((now) => [...now, ...made]);
    const wanted = made.filter((one) => one.state === "waiting");
    if (wanted.length > 0) send(wanted);
  };
  const again = () => {
    const failed = files.filter(mayGoBetter);
    tell(failed.map((one) => one.id), "waiting");
    send(failed);
  };
  return { files, add, again };
}
