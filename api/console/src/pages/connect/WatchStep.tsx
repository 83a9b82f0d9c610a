/** The snapshot as it comes in, then the first question. */
import { Button, Group, Stack, Text } from "@mantine/core";
import { Link } from "react-router";
import { useReadAgain, useSourceStatus } from "@/api/sources";
import { Failure } from "@/components/Failure";
import { Loaded } from "@/components/Loaded";
import { useSpeech } from "@/i18n";
import { Changes } from "../sources/Changes";
import { Problems } from "../sources/Problems";
import { Reading } from "../sources/Reading";
import { SnapshotProgress } from "../sources/SnapshotProgress";
import { FirstQuestion } from "./FirstQuestion";
import type { StartedSource } from "./startedSource";

export function WatchStep({ made }: { made: StartedSource }) {
  const { t } = useSpeech();
  const status = useSourceStatus(made.collection, made.name);
  const read = useReadAgain(made.collection, made.name);
  const failure = read.isSuccess ? null : made.failure;
  const lead = failure !== null ? "connect.watch-unread" : made.mode === "live" ? "connect.watch-live" : "connect.watch-snapshot";
  return (
    <Stack gap="lg">
      <Text size="sm">{t(lead, { name: made.name })}</Text>
      {failure !== null && <Failure error={failure} retry={() => read.mutate({})} />}
      <Loaded query={status}>
        {(now) => (
          <>
            <Problems problems={now.problems} />
            {made.mode === "live" ? (
              <SnapshotProgress status={now} collection={made.collection} always />
            ) : (
              <Reading collection={made.collection} source={made.name} />
            )}
          </>
        )}
      </Loaded>
      <FirstQuestion collection={made.collection} />
      <Changes collection={made.collection} source={made.name} />
      <Group>
        <Button component={Link} to={`/c/${made.collection}/sources/${encodeURIComponent(made.name)}`}>
          {t("connect.to-source")}
        </Button>
        <Button component={Link} to={`/c/${made.collection}/documents`} variant="default">
          {t("page.documents")}
        </Button>
      </Group>
    </Stack>
  );
}
