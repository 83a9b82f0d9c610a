/** Catches what a page throws, so that the menu stays; a page that cannot be loaded asks to reload. */
import { Button, Stack } from "@mantine/core";
import { Component, type ReactNode } from "react";
import { Empty } from "@/components/Empty";
import { Failure } from "@/components/Failure";
import { useSpeech } from "@/i18n";

interface Props {
  /** Another place begins anew. */
  place: string;
  children: ReactNode;
}

interface Caught {
  error: unknown;
  place: string;
}

export class Boundary extends Component<Props, Caught> {
  override state: Caught = { error: null, place: this.props.place };

  static getDerivedStateFromError(error: unknown): Partial<Caught> {
    return { error };
  }

  static getDerivedStateFromProps(props: Props, state: Caught): Caught {
    return props.place === state.place ? state : { error: null, place: props.place };
  }

  override render(): ReactNode {
    return this.state.error === null ? this.props.children : <Told error={this.state.error} />;
  }
}

function Told({ error }: { error: unknown }) {
  const { t } = useSpeech();
  const reload = <Button onClick={() => window.location.reload()}>{t("shell.reload")}</Button>;
  if (String(error).includes("dynamically imported module")) return <Empty title={t("shell.new-version")} action={reload} />;
  return (
    <Stack align="flex-start">
      <Failure error={error} />
      {reload}
    </Stack>
  );
}
