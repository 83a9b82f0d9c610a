/** A former version's whole text. */
import { type Former, useVersion } from "@/api/documents";
import { Loaded } from "@/components/Loaded";
import { Drawer } from "@/components/overlays";
import { SourceText } from "@/components/SourceText";
import { useSpeech } from "@/i18n";

interface Props {
  collection: string;
  former: Former | null;
  close: () => void;
}

export function FormerDrawer({ collection, former, close }: Props) {
  const { t } = useSpeech();
  const version = useVersion(collection, former?.key ?? "", former?.version ?? null);
  return (
    <Drawer
      opened={former !== null}
      onClose={close}
      closeOnClickOutside
      title={former?.title || former?.key}
    >
      {former && (
        <Loaded query={version}>
          {(found) => (
            <SourceText text={found.text ?? ""} span={null} label={t("documents.text")} height="calc(100vh - 120px)" />
          )}
        </Loaded>
      )}
    </Drawer>
  );
}
