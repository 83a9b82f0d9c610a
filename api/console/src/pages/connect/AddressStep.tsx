/** Where the database is; the test looks at it and says what is missing, with the SQL that mends it. */
import { Button, Group, PasswordInput, SegmentedControl, Select, Stack, Text, TextInput } from "@mantine/core";
import { type ClipboardEvent, type FormEvent } from "react";
import { type Mode, type TestResult, useTest } from "@/api/connect";
import { Columns } from "@/components/Columns";
import { Failure } from "@/components/Failure";
import { useSpeech } from "@/i18n";
import { type Address, type Engine, ENGINES, isComplete, PORTS, read, TLS, urlOf } from "./address";
import { ModeChoice } from "./ModeChoice";
import { Findings } from "./Findings";

interface Props {
  address: Address;
  change: (address: Address) => void;
  tested: TestResult | null;
  mode: Mode;
  choose: (mode: Mode) => void;
  done: (url: string, result: TestResult | null) => void;
  next: () => void;
}

export function AddressStep({ address, change, tested, mode, choose, done, next }: Props) {
  const { t, textOr } = useSpeech();
  const test = useTest();
  const set = (some: Partial<Address>) => {
    change({ ...address, ...some });
    test.reset(); // what the test of the former address says comes too late
    if (tested !== null) done("", null); // another address is another database
  };
  const paste = (event: ClipboardEvent) => {
    const found = read(event.clipboardData.getData("text"));
    if (found === null) return;
    event.preventDefault();
    set(found);
  };
  const submit = (event: FormEvent) => {
    event.preventDefault();
    if (!isComplete(address)) return;
    const url = urlOf(address);
    test.mutate({ url, tables: [] }, { onSuccess: (result) => done(url, result), onError: () => done("", null) });
  };
  return (
    <Stack>
      <form onSubmit={submit}>
        <Stack>
          <SegmentedControl
            aria-label={t("connect.engine")}
            value={address.engine}
            onChange={(engine) => set({ engine: engine as Engine, tls: "" })}
            data={Object.entries(ENGINES).map(([value, label]) => ({ value, label }))}
          />
          <Columns least={260} align="end">
            <TextInput
              label={t("connect.host")}
              description={t("connect.host-hint")}
              placeholder="db.example.com"
              value={address.host}
              onPaste={paste}
              onChange={(event) => set({ host: event.currentTarget.value })}
              data-autofocus
              required
            />
            <TextInput
              label={t("connect.port")}
              description={t("connect.port-hint", { port: PORTS[address.engine] })}
              placeholder={PORTS[address.engine]}
              inputMode="numeric"
              value={address.port}
              onChange={(event) => set({ port: event.currentTarget.value.replace(/\D/g, "") })}
            />
            <TextInput
              label={t("connect.database")}
              placeholder="shop"
              value={address.database}
              onChange={(event) => set({ database: event.currentTarget.value })}
              required
            />
            <Select
              label={t("connect.tls")}
              data={TLS[address.engine].map((value) => ({ value, label: value === "" ? t("connect.tls-default") : textOr(`connect.tls-${value.replace("_", "-")}`, value) }))}
              value={address.tls}
              onChange={(tls) => set({ tls: tls ?? "" })}
              allowDeselect={false}
            />
            <TextInput
              label={t("connect.user")}
              placeholder="kb_reader"
              autoComplete="off"
              value={address.user}
              onChange={(event) => set({ user: event.currentTarget.value })}
              required
            />
            <PasswordInput
              label={t("connect.password")}
              autoComplete="new-password"
              value={address.password}
              onChange={(event) => set({ password: event.currentTarget.value })}
              visibilityToggleButtonProps={{ "aria-label": t("connect.show-password") }}
            />
          </Columns>
          <Text size="xs" c="dimmed">
            {t("connect.safe")}
          </Text>
          <Group>
            <Button type="submit" loading={test.isPending} disabled={!isComplete(address)} variant={tested === null ? "filled" : "default"}>
              {t(tested === null ? "connect.test" : "connect.test-again")}
            </Button>
          </Group>
        </Stack>
      </form>
      {test.isError && <Failure error={test.error} />}
      {tested !== null && (
        <>
          <Findings result={tested} />
          {tested.readable && <ModeChoice result={tested} mode={mode} choose={choose} />}
          <Group justify="flex-end">
            <Button onClick={next} disabled={mode === "live" ? !tested.ok : !tested.readable}>
              {t("connect.to-tables")}
            </Button>
          </Group>
        </>
      )}
    </Stack>
  );
}
