/** Before everything else: a key, or the organisation's own way to log in. */
import { Alert, Button, Divider, Group, Paper, PasswordInput, SegmentedControl, Stack, Text, Title } from "@mantine/core";
import { type FormEvent, useEffect, useState } from "react";
import { ApiError } from "@/api/client";
import { sessionEnded, useLogin, useLoginWays } from "@/api/session";
import { Failure } from "@/components/Failure";
import { type Language, LANGUAGES, useSpeech } from "@/i18n";
import classes from "./Login.module.css";

const OIDC = "/console/login/oidc";

export function Login() {
  const { t, language, setLanguage } = useSpeech();
  const [key, setKey] = useState("");
  const [ended] = useState(sessionEnded);
  const login = useLogin();
  const oidc = useLoginWays().data?.oidc === true;
  useEffect(() => {
    document.title = `${t("login.title")} · autoglm-kb`;
  }, [t]);
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (key.trim()) login.mutate(key.trim());
  };
  return (
    <main className={classes.place}>
      <Paper withBorder radius="md" p="xl" className={classes.card}>
        <Stack>
          <Group justify="space-between">
            <Group gap="xs">
              <img src="/console/icon.svg" alt="" width={28} height={28} />
              <Title order={1} size="h3">
                autoglm-kb
              </Title>
            </Group>
            <SegmentedControl
              size="xs"
              aria-label={t("shell.language")}
              value={language}
              onChange={(value) => setLanguage(value as Language)}
              data={Object.entries(LANGUAGES).map(([value, label]) => ({ value, label }))}
            />
          </Group>
          {ended && <Alert role="status">{t("login.ended")}</Alert>}
          <Text size="sm" c="dimmed">
            {t("login.lead")}
          </Text>
          <form onSubmit={submit}>
            <Stack>
              <PasswordInput
                label={t("login.key")}
                description={t("login.key-hint")}
                placeholder="kb_…"
                value={key}
                onChange={(event) => setKey(event.currentTarget.value)}
                autoComplete="current-password"
                name="key"
                data-autofocus
                autoFocus
                required
              />
              {login.isError && <Refused error={login.error} />}
              <Button type="submit" loading={login.isPending}>
                {t("login.go")}
              </Button>
            </Stack>
          </form>
          {oidc && (
            <>
              <Divider label={t("login.or")} />
              <Button component="a" href={OIDC} variant="default">
                {t("login.oidc")}
              </Button>
            </>
          )}
        </Stack>
      </Paper>
    </main>
  );
}

function Refused({ error }: { error: unknown }) {
  const { t } = useSpeech();
  if (!(error instanceof ApiError) || error.status !== 401) return <Failure error={error} />;
  return (
    <Alert color="red" role="alert">
      {t("login.wrong")}
    </Alert>
  );
}
