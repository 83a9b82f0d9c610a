/** What can be done with a source; what cannot simply be taken back is asked once. */
import { Button, Menu } from "@mantine/core";
import { ChevronDown, Pause, Play, RefreshCw, RotateCcw, Trash2 } from "lucide-react";
import { useState } from "react";
import { useNavigate } from "react-router";
import { LIVE, READ_WHEN_ASKED, useReadAgain, useSteer } from "@/api/sources";
import { useConfirm } from "@/components/confirm";
import { useSpeech } from "@/i18n";
import { DeleteSource } from "./DeleteSource";

interface Standing {
  name: string;
  kind: string;
  state: string;
  tables?: Record<string, unknown>;
  connector?: Record<string, unknown>;
}

interface Props {
  collection: string;
  status: Standing;
  then?: () => void;
}

export function Actions({ collection, status, then }: Props) {
  const { t } = useSpeech();
  const navigate = useNavigate();
  const [deleting, setDeleting] = useState(false);
  const gone = then ?? (() => void navigate(`/c/${collection}/sources`));
  return (
    <>
      {status.kind === LIVE && <Steering collection={collection} status={status} />}
      {(status.kind === LIVE || status.kind === READ_WHEN_ASKED) && <ReadAgain collection={collection} status={status} />}
      <Button color="red" variant="outline" leftSection={<Trash2 size={16} aria-hidden />} onClick={() => setDeleting(true)}>
        {t("common.delete")}
      </Button>
      <DeleteSource collection={collection} source={status} opened={deleting} close={() => setDeleting(false)} then={gone} />
    </>
  );
}

function Steering({ collection, status }: { collection: string; status: Standing }) {
  const { t } = useSpeech();
  const confirm = useConfirm();
  const steer = useSteer(collection, status.name);
  const failed = [status.connector?.["state"], status.connector?.["task_state"]].includes("FAILED");
  const pause = async () => {
    const question = { title: t("sources.pause-title", { name: status.name }), body: t("sources.pause-text") };
    if (await confirm({ ...question, action: t("sources.pause") })) steer.mutate("pause");
  };
  return (
    <>
      {failed && (
        <Button loading={steer.isPending} leftSection={<RotateCcw size={16} aria-hidden />} onClick={() => steer.mutate("restart")}>
          {t("sources.restart")}
        </Button>
      )}
      {status.state === "paused" ? (
        <Button loading={steer.isPending} leftSection={<Play size={16} aria-hidden />} onClick={() => steer.mutate("resume")}>
          {t("sources.resume")}
        </Button>
      ) : (
        <Button
          variant="default"
          loading={steer.isPending}
          leftSection={<Pause size={16} aria-hidden />}
          onClick={() => void pause()}
          disabled={status.state !== "active"}
        >
          {t("sources.pause")}
        </Button>
      )}
    </>
  );
}

function ReadAgain({ collection, status }: { collection: string; status: Standing }) {
  const { t } = useSpeech();
  const confirm = useConfirm();
  const read = useReadAgain(collection, status.name);
  const tables = Object.keys(status.tables ?? {});
  if (status.kind === READ_WHEN_ASKED) {
    return (
      <Button loading={read.isPending} leftSection={<RefreshCw size={16} aria-hidden />} onClick={() => read.mutate({})}>
        {t("sources.read-now")}
      </Button>
    );
  }
  const anew = async () => {
    const question = { title: t("sources.anew-title", { name: status.name }), body: t("sources.anew-text") };
    if (await confirm({ ...question, action: t("sources.anew"), danger: true })) read.mutate({ full: true });
  };
  return (
    <Menu position="bottom-end">
      <Menu.Target>
        <Button
          variant="default"
          loading={read.isPending}
          leftSection={<RefreshCw size={16} aria-hidden />}
          rightSection={<ChevronDown size={14} aria-hidden />}
          disabled={status.state !== "active"}
        >
          {t("sources.read-again")}
        </Button>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Item onClick={() => read.mutate({})}>{t("sources.read-all")}</Menu.Item>
        {tables.length > 1 &&
          tables.map((table) => (
            <Menu.Item key={table} onClick={() => read.mutate({ tables: [table] })}>
              {t("sources.read-table", { table })}
            </Menu.Item>
          ))}
        <Menu.Divider />
        <Menu.Item color="red" onClick={() => void anew()}>
          {t("sources.anew")}
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
