/** A change: done by the API, told to the person, and what it touched read again. */
import { notifications } from "@mantine/notifications";
import { type QueryKey, useMutation, useQueryClient } from "@tanstack/react-query";
import { ApiError } from "@/api/client";
import { explain } from "@/components/Failure";
import { useSpeech } from "@/i18n";

interface Act<Input, Result> {
  act: (input: Input) => Promise<Result>;
  /** What is told when it is done; nothing without it. */
  done?: string | ((result: Result, input: Input) => string);
  /** Keys of what is read again. */
  touches?: readonly QueryKey[];
  then?: (result: Result, input: Input) => void;
  /** The title of what is told when it fails. */
  failed?: string;
  /** Failures are shown by the page itself, beside the form. */
  quiet?: boolean;
}

export function useAct<Input = void, Result = unknown>({ act, done, touches = [], then, failed, quiet }: Act<Input, Result>) {
  const client = useQueryClient();
  const speech = useSpeech();
  const closeButtonProps = { "aria-label": speech.t("common.close") };
  return useMutation<Result, unknown, Input>({
    mutationFn: act,
    onSuccess: async (result, input) => {
      const told = done && (typeof done === "string" ? done : done(result, input));
      if (told) notifications.show({ message: told, color: "green", closeButtonProps });
      await Promise.all(touches.map((queryKey) => client.invalidateQueries({ queryKey })));
      then?.(result, input);
    },
    onError: (error) => {
      if (quiet || (error instanceof ApiError && error.status === 401)) return; // the login says what a 401 means
      const options = { title: failed ?? speech.t("failure.title"), message: explain(error, speech), color: "red" };
      notifications.show({ ...options, autoClose: 10_000, role: "alert", closeButtonProps });
    },
  });
}
