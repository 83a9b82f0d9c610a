/** The frame around all pages: menu, collection, account, and whether the live connection stands. */
import { ActionIcon, Alert, Anchor, Group, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Menu as MenuIcon, WifiOff } from "lucide-react";
import { type ReactNode, useEffect } from "react";
import { useLocation } from "react-router";
import { useLiveUpdates } from "@/api/live";
import { Drawer } from "@/components/overlays";
import { useSpeech } from "@/i18n";
import { AccountMenu } from "./AccountMenu";
import { CollectionChoice } from "./CollectionChoice";
import { Navigation } from "./Navigation";
import classes from "./Shell.module.css";

const MAIN = "content";

export function Shell({ children }: { children: ReactNode }) {
  const { t } = useSpeech();
  const connected = useLiveUpdates();
  const [opened, menu] = useDisclosure(false);
  const { pathname } = useLocation();
  useEffect(menu.close, [pathname]);
  return (
    <div className={classes.frame}>
      <Anchor href={`#${MAIN}`} className={classes.skip}>
        {t("shell.skip")}
      </Anchor>
      <header className={classes.header}>
        <Group gap="sm" wrap="nowrap" miw={0}>
          <ActionIcon
            variant="subtle"
            color="gray"
            size="lg"
            className={classes.burger}
            onClick={menu.open}
            aria-label={t("shell.menu")}
          >
            <MenuIcon size={20} aria-hidden />
          </ActionIcon>
          <img src="/console/icon.svg" alt="" width={24} height={24} />
          <Text fw={700} className={classes.brand}>
            autoglm-kb
          </Text>
          <CollectionChoice />
        </Group>
        <AccountMenu connected={connected} />
      </header>
      <aside className={classes.side}>
        <Navigation />
      </aside>
      <Drawer
        opened={opened}
        onClose={menu.close}
        closeOnClickOutside
        position="left"
        size={280}
        title={t("shell.menu")}
      >
        <Navigation />
      </Drawer>
      <main className={classes.main} id={MAIN} tabIndex={-1}>
        <div role="status" aria-live="polite">
          {!connected && (
            <Alert color="yellow" icon={<WifiOff size={18} aria-hidden />} mb="md">
              {t("shell.lost")}
            </Alert>
          )}
        </div>
        {children}
      </main>
    </div>
  );
}
