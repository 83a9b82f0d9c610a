/** The menu: the pages that the session may see, by section. */
import { NavLink, Text } from "@mantine/core";
import { Fragment } from "react";
import { Link, useLocation } from "react-router";
import { chosenCollection, useCollections } from "@/api/collections";
import { useAllows } from "@/api/session";
import { useSpeech } from "@/i18n";
import { PAGES, type PageEntry, SECTIONS } from "./pages";

const COLLECTION = ":collection";

export function Navigation() {
  const { t } = useSpeech();
  const allows = useAllows();
  const { pathname } = useLocation();
  const collection = chosenCollection(useCollections().data, pathname);
  const shown = PAGES.filter((one) => one.section !== undefined && allows(one.right) && hasPlace(one, collection));
  return (
    <nav aria-label={t("shell.navigation")}>
      {[null, ...SECTIONS].map((section) => {
        const entries = shown.filter((one) => one.section === section);
        if (entries.length === 0) return null;
        return (
          <Fragment key={section ?? ""}>
            {section && (
              <Text size="xs" fw={700} c="dimmed" mt="md" mb={4} px={10}>
                {t(section)}
              </Text>
            )}
            {entries.map((entry) => (
              <Entry key={entry.path} entry={entry} to={entry.path.replace(COLLECTION, collection ?? "")} />
            ))}
          </Fragment>
        );
      })}
    </nav>
  );
}

function Entry({ entry, to }: { entry: PageEntry; to: string }) {
  const { t } = useSpeech();
  const { pathname } = useLocation();
  const current = to === "/" ? pathname === "/" : pathname === to || pathname.startsWith(`${to}/`);
  const Icon = entry.Icon;
  return (
    <NavLink
      component={Link}
      to={to}
      label={t(entry.name)}
      leftSection={Icon && <Icon size={18} aria-hidden />}
      active={current}
      aria-current={current ? "page" : undefined}
      px={10}
      py={7}
      variant="light"
    />
  );
}

function hasPlace(entry: PageEntry, collection: string | null): boolean {
  return collection !== null || !entry.path.includes(COLLECTION);
}
