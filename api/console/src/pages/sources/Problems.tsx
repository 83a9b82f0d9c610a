/** What needs a person, in the words of the servers. */
import { Alert, Stack } from "@mantine/core";
import { CircleAlert } from "lucide-react";
import { useSpeech } from "@/i18n";

export function Problems({ problems }: { problems: readonly string[] }) {
  const { t } = useSpeech();
  if (problems.length === 0) return null;
  return (
    <Stack gap="xs" role="region" aria-label={t("sources.needs")}>
      {problems.map((problem) => (
        <Alert key={problem} color="red" icon={<CircleAlert size={18} aria-hidden />} py="xs">
          {problem}
        </Alert>
      ))}
    </Stack>
  );
}
