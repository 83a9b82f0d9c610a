/** Returning to the plan that served before, which asks once. */
import { usePlans, useRollback } from "@/api/plans";
import { type Question, useConfirm } from "@/components/confirm";
import { useSpeech } from "@/i18n";

/** `ask` returns once the person agreed; `question` where the page has words of its own. */
export function useConfirmedRollback(collection: string, reason: string, question?: Question) {
  const { t } = useSpeech();
  const confirm = useConfirm();
  const serving = usePlans(collection).data?.serving;
  const rollback = useRollback(collection);
  const usual = { title: t("tune.back-title"), body: t("tune.back-text"), action: t("tune.roll-back") };
  const ask = async () => {
    if (serving && (await confirm(question ?? usual))) rollback.mutate({ serving, reason });
  };
  return { ask, isPending: rollback.isPending };
}
