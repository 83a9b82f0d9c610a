/** Each thing that a connection test looked at, and for what is missing the exact SQL. */
import { Alert, Badge, Paper, Stack, Table, Text } from "@mantine/core";
import { CircleAlert, CircleCheck, TriangleAlert } from "lucide-react";
import type { Finding, TestResult } from "@/api/connect";
import { CodeText } from "@/components/CodeText";
import { useSpeech } from "@/i18n";
import { type Engine, ENGINES } from "./address";

const LOOKS: Readonly<Record<string, readonly [string, typeof CircleCheck]>> = {
  ok: ["green", CircleCheck],
  warning: ["yellow", TriangleAlert],
  error: ["red", CircleAlert],
};

export function Findings({ result }: { result: TestResult }) {
  const { t } = useSpeech();
  const words = { engine: ENGINES[result.engine as Engine] ?? result.engine, version: result.version.replace(/ \(.*/, "") };
  const [colour, text] = result.ok
    ? (["green", "connect.ok"] as const)
    : result.readable
      ? (["yellow", "connect.readable"] as const)
      : (["red", "connect.not-ok"] as const);
  const Icon = result.ok ? CircleCheck : result.readable ? TriangleAlert : CircleAlert;
  return (
    <Stack gap="sm">
      <Alert color={colour} icon={<Icon size={18} aria-hidden />} role="status">
        {t(text, words)}
      </Alert>
      <Paper withBorder radius="md">
        <Table verticalSpacing="xs" aria-label={t("connect.checks")}>
          <Table.Thead>
            <Table.Tr>
              <Table.Th scope="col">{t("connect.check")}</Table.Th>
              <Table.Th scope="col">{t("connect.found")}</Table.Th>
              <Table.Th scope="col">{t("common.state")}</Table.Th>
            </Table.Tr>
          </Table.Thead>
          <Table.Tbody>
            {result.findings.map((one) => (
              <Row key={one.check} finding={one} />
            ))}
          </Table.Tbody>
        </Table>
      </Paper>
    </Stack>
  );
}

function Row({ finding }: { finding: Finding }) {
  const { t, textOr } = useSpeech();
  const [colour = "gray"] = LOOKS[finding.severity] ?? [];
  return (
    <Table.Tr>
      <Table.Th scope="row" fw={600}>
        {textOr(`connect.check.${finding.check}`, finding.check)}
      </Table.Th>
      <Table.Td>
        <Text size="sm">{finding.found}</Text>
        {finding.severity !== "ok" && (
          <Stack gap={6} mt={4}>
            {finding.expected && <Text size="sm">{t("connect.expected", { what: finding.expected })}</Text>}
            {finding.remedy && <Text size="sm">{finding.remedy}</Text>}
            {finding.sql && <CodeText value={finding.sql} label={t("connect.sql")} />}
          </Stack>
        )}
      </Table.Td>
      <Table.Td>
        <Badge variant="light" color={colour} tt="none">
          {textOr(`state.${finding.severity}`, finding.severity)}
        </Badge>
      </Table.Td>
    </Table.Tr>
  );
}
