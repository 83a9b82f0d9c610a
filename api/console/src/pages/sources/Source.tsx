/** One source: how it is now, what it did, what needs a person, and what can be done with it. */
import { Anchor, Group, Stack, Text } from "@mantine/core";
import { Link, useNavigate, useParams } from "react-router";
import { useCollection } from "@/api/collections";
import { useOverview } from "@/api/overview";
import { LIVE, READ_WHEN_ASKED, type SourceStatus, useSources, useSourceStatus } from "@/api/sources";
import { State } from "@/components/Badges";
import { Columns } from "@/components/Columns";
import { Empty } from "@/components/Empty";
import { Loaded } from "@/components/Loaded";
import { Page } from "@/components/Page";
import { useSpeech } from "@/i18n";
import { Actions } from "./Actions";
import { Changes } from "./Changes";
import { MappingShown } from "./MappingShown";
import { Notices } from "./Notices";
import { Numbers } from "./Numbers";
import { Problems } from "./Problems";
import { Reading } from "./Reading";
import { Runs } from "./Runs";
import { SnapshotProgress } from "./SnapshotProgress";
import { SourceFreshness } from "./SourceFreshness";
import { kindOf } from "./Sources";

const ADDRESSABLE = /^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/; // names that stand in an address of the API

export default function Source() {
  const { source = "" } = useParams();
  const collection = useCollection();
  if (ADDRESSABLE.test(source)) return <Told collection={collection} name={source} />;
  return <ByCommand collection={collection} name={source} />;
}

/** A source whose status the API tells. */
function Told({ collection, name }: { collection: string; name: string }) {
  const { t } = useSpeech();
  const status = useSourceStatus(collection, name);
  const data = status.data;
  const kind = data?.kind ?? "";
  return (
    <Page
      title={name}
      lead={<Lead collection={collection} kind={kind} state={data === undefined ? "" : standing(data)} url={data?.url ?? ""} />}
      actions={data && <Actions collection={collection} status={data} />}
    >
      <Loaded query={status}>
        {(now) => (
          <Stack gap="lg">
            <Problems problems={now.problems} />
            {now.kind === LIVE && <SnapshotProgress status={now} collection={collection} />}
            {now.kind === READ_WHEN_ASKED && <Reading collection={collection} source={name} />}
            <Numbers collection={collection} status={now} />
            {now.kind !== LIVE && now.kind !== READ_WHEN_ASKED && <Text size="sm">{t("sources.by-command")}</Text>}
            <Log collection={collection} source={name} />
            <Columns>
              <Notices notices={now.notices} />
              {now.url && <MappingShown collection={collection} status={now} />}
            </Columns>
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}

/** A source with another name, such as a folder's address: what the catalog knows of it. */
function ByCommand({ collection, name }: { collection: string; name: string }) {
  const { t } = useSpeech();
  const navigate = useNavigate();
  const sources = useSources(collection);
  const overview = useOverview();
  const letters = overview.data?.sources.find((one) => one.collection === collection && one.name === name)?.dead_letters ?? 0;
  const found = sources.data?.find((one) => one.name === name);
  return (
    <Page
      title={name}
      lead={<Lead collection={collection} kind={found?.kind ?? ""} state={found?.state ?? ""} url="" />}
      actions={found && <Actions collection={collection} status={found} then={() => void navigate(`/c/${collection}/sources`)} />}
    >
      <Loaded query={sources}>
        {() =>
          found === undefined ? (
            <Empty title={t("sources.unknown")}>{t("sources.unknown-text", { collection })}</Empty>
          ) : (
            <Stack gap="lg">
              <Text size="sm">{t("sources.by-command")}</Text>
              {letters > 0 && (
                <Anchor component={Link} to={`/c/${collection}/letters?source=${encodeURIComponent(name)}`}>
                  {t("sources.see-letters", { count: letters })}
                </Anchor>
              )}
              <Log collection={collection} source={name} />
            </Stack>
          )
        }
      </Loaded>
    </Page>
  );
}

function Log({ collection, source }: { collection: string; source: string }) {
  return (
    <>
      <Changes collection={collection} source={source} />
      <SourceFreshness collection={collection} source={source} />
      <Runs collection={collection} source={source} />
    </>
  );
}

function Lead({ collection, kind, state, url }: { collection: string; kind: string; state: string; url: string }) {
  const speech = useSpeech();
  return (
    <Group gap="xs" component="span" display="inline-flex">
      {state && <State value={state} />}
      {kind && <span>{kindOf(kind, speech)}</span>}
      <span>·</span>
      <Anchor underline="always" component={Link} to={`/c/${collection}/sources`}>
        {collection}
      </Anchor>
      {url && <span>· {url}</span>}
    </Group>
  );
}

/** One word for how it stands: that of its connector, unless it rests or is on its way out. */
export function standing(status: SourceStatus): string {
  const connector = String(status.connector["state"] ?? "");
  const task = String(status.connector["task_state"] ?? "");
  if (status.kind !== LIVE || status.state !== "active") return status.state;
  return task === "FAILED" ? task : connector;
}
