/** Connect a database, step by step: address and test, tables, what becomes of their rows, start, watch. */
import { Paper, Stepper } from "@mantine/core";
import { useState } from "react";
import { useSearchParams } from "react-router";
import type { Forms, Mode, TableInfo, TestResult } from "@/api/connect";
import { Page } from "@/components/Page";
import { useSpeech } from "@/i18n";
import { AddressStep } from "./AddressStep";
import { type Address, NO_ADDRESS } from "./address";
import { MappingStep } from "./MappingStep";
import { StartStep } from "./StartStep";
import type { StartedSource } from "./startedSource";
import { TablesStep } from "./TablesStep";
import { WatchStep } from "./WatchStep";

const STEPS = ["address", "tables", "mapping", "start", "watch"] as const;

export default function Connect() {
  const { t } = useSpeech();
  const [parameters] = useSearchParams();
  const [step, setStep] = useState(0);
  const [address, setAddress] = useState<Address>(NO_ADDRESS);
  const [url, setUrl] = useState("");
  const [tested, setTested] = useState<TestResult | null>(null);
  const [listed, setListed] = useState(""); // the address whose tables are chosen from
  const [mode, setMode] = useState<Mode>("live");
  const [tables, setTables] = useState<readonly TableInfo[]>([]);
  const [chosen, setChosen] = useState<readonly string[]>([]);
  const [forms, setForms] = useState<Forms>({});
  const [made, setMade] = useState<StartedSource | null>(null);
  const back = () => setStep(step - 1);
  const mapped = Object.fromEntries(Object.entries(forms).filter(([table]) => chosen.includes(table)));
  return (
    <Page title={t("page.connect")} lead={t("connect.lead")}>
      <Stepper active={step} size="sm" allowNextStepsSelect={false} onStepClick={(to) => to < step && made === null && setStep(to)}>
        {STEPS.map((name) => (
          <Stepper.Step key={name} label={t(`connect.step.${name}`)} />
        ))}
      </Stepper>
      <Paper withBorder radius="md" p="lg">
        {step === 0 && (
          <AddressStep
            address={address}
            change={setAddress}
            tested={tested}
            mode={mode}
            choose={setMode}
            done={(asked, result) => {
              setUrl(asked);
              setTested(result);
              if (result === null) return;
              setMode(result.live && result.ok ? "live" : "snapshot");
              if (asked === listed) return;
              setListed(asked);
              setChosen([]);
              setForms({});
            }}
            next={() => setStep(1)}
          />
        )}
        {step === 1 && (
          <TablesStep
            url={url}
            chosen={chosen}
            choose={setChosen}
            back={back}
            next={(found) => {
              setTables(found);
              setStep(2);
            }}
          />
        )}
        {step === 2 && (
          <MappingStep url={url} tables={tables} chosen={chosen} forms={mapped} change={setForms} back={back} next={() => setStep(3)} />
        )}
        {step === 3 && (
          <StartStep
            url={url}
            database={address.database}
            forms={mapped}
            mode={mode}
            choose={setMode}
            liveAllowed={tested?.live === true}
            into={parameters.get("collection") ?? ""}
            back={back}
            next={(one) => {
              setMade(one);
              setStep(4);
            }}
          />
        )}
        {step === 4 && made !== null && <WatchStep made={made} />}
      </Paper>
    </Page>
  );
}
