/** Who is logged in, language, light or dark, log out. */
import { ActionIcon, Badge, Group, Menu, Text, useMantineColorScheme } from "@mantine/core";
import { Check, CircleUserRound, LogOut, Moon, Sun, SunMoon } from "lucide-react";
import { useLogout, useSession } from "@/api/session";
import { type Key, type Language, LANGUAGES, useSpeech } from "@/i18n";

const LOOKS = [
  ["light", "shell.light", Sun],
  ["dark", "shell.dark", Moon],
  ["auto", "shell.auto", SunMoon],
] as const;

export function AccountMenu({ connected }: { connected: boolean }) {
  const { t, textOr, language, setLanguage } = useSpeech();
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const session = useSession();
  const logout = useLogout();
  const chosen = (yes: boolean) => (yes ? <Check size={14} aria-hidden /> : undefined);
  return (
    <Group gap="xs" wrap="nowrap">
      <Badge variant="light" color={connected ? "green" : "yellow"} tt="none" miw="max-content">
        {t(connected ? "shell.live" : "shell.retrying")}
      </Badge>
      <Menu position="bottom-end" width={250}>
        <Menu.Target>
          <ActionIcon variant="subtle" color="gray" size="lg" aria-label={t("shell.account")}>
            <CircleUserRound size={22} aria-hidden />
          </ActionIcon>
        </Menu.Target>
        <Menu.Dropdown>
          <Menu.Label>
            <Text size="sm">{t("shell.logged-in", { name: session.name })}</Text>
            <Text size="xs">{t("shell.scope", { scope: textOr(`right.${session.scope}`, session.scope) })}</Text>
          </Menu.Label>
          <Menu.Divider />
          <Menu.Label>{t("shell.language")}</Menu.Label>
          {(Object.entries(LANGUAGES) as [Language, string][]).map(([code, name]) => (
            <Menu.Item
              key={code}
              lang={code}
              rightSection={chosen(code === language)}
              aria-current={code === language ? "true" : undefined}
              onClick={() => setLanguage(code)}
            >
              {name}
            </Menu.Item>
          ))}
          <Menu.Label>{t("shell.look")}</Menu.Label>
          {LOOKS.map(([look, name, Icon]) => (
            <Menu.Item
              key={look}
              leftSection={<Icon size={16} aria-hidden />}
              rightSection={chosen(look === colorScheme)}
              aria-current={look === colorScheme ? "true" : undefined}
              onClick={() => setColorScheme(look)}
            >
              {t(name satisfies Key)}
            </Menu.Item>
          ))}
          <Menu.Divider />
          <Menu.Item leftSection={<LogOut size={16} aria-hidden />} onClick={() => logout.mutate()}>
            {t("shell.log-out")}
          </Menu.Item>
        </Menu.Dropdown>
      </Menu>
    </Group>
  );
}
