/** The heading of a part of a page, with a line that says what it shows. */
import { Text, Title } from "@mantine/core";

export function SectionHead({ title, hint }: { title: string; hint: string }) {
  return (
    <div>
      <Title order={2} size="h4">
        {title}
      </Title>
      <Text size="sm" c="dimmed">
        {hint}
      </Text>
    </div>
  );
}
