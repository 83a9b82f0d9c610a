/** Mantine's drawer and dialog, whose close button is named in the person's language. */
import { type DrawerProps, Drawer as MantineDrawer, Modal as MantineModal, type ModalProps } from "@mantine/core";
import { useSpeech } from "@/i18n";

export function Drawer(props: DrawerProps) {
  const { t } = useSpeech();
  return <MantineDrawer closeButtonProps={{ "aria-label": t("common.close") }} {...props} />;
}

export function Modal(props: ModalProps) {
  const { t } = useSpeech();
  return <MantineModal closeButtonProps={{ "aria-label": t("common.close") }} {...props} />;
}
