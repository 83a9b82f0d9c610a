/** The chosen architecture, drawn as the way a question takes, and told in plain language. */
import { List, Paper, Text, Title } from "@mantine/core";
import { useId } from "react";
import type { ChoiceGraph } from "@/api/tuning";
import { useSpeech } from "@/i18n";
import classes from "./Architecture.module.css";
import { edgePath, type Flow, flowOf, LINE, type Stage } from "./flow";
import { said, useChoiceName } from "./words";

export function Architecture({ graph }: { graph: ChoiceGraph }) {
  const speech = useSpeech();
  const { t } = speech;
  const nameOf = useChoiceName();
  const flow = flowOf(graph);
  const moved = graph.nodes.filter((node) => node.moved);
  const sentences = moved.map((node) =>
    t("tune.differs", { name: nameOf(node.name), value: said(node.name, node.value, speech), normal: said(node.name, node.default, speech) }),
  );
  const told = sentences.length > 0 ? sentences : [t("tune.as-default")];
  return (
    <Paper withBorder radius="md" p="md">
      <Title order={2} size="h4">
        {t("tune.architecture")}
      </Title>
      <Text size="sm" c="dimmed" mb="sm">
        {t("tune.architecture-hint")}
      </Text>
      <Picture flow={flow} description={told.join(" ")} />
      <Title order={3} size="h5" mt="md" mb={4}>
        {t("tune.in-words")}
      </Title>
      <List size="sm">
        {told.map((sentence) => (
          <List.Item key={sentence}>{sentence}</List.Item>
        ))}
      </List>
    </Paper>
  );
}

function Picture({ flow, description }: { flow: Flow; description: string }) {
  const { t } = useSpeech();
  const id = useId();
  return (
    <div className={classes.frame} tabIndex={0} role="region" aria-label={t("tune.architecture")}>
      <svg
        className={classes.picture}
        viewBox={`0 0 ${flow.width} ${flow.height}`}
        role="img"
        aria-labelledby={`${id}-title ${id}-text`}
        data-testid="architecture"
      >
        <title id={`${id}-title`}>{t("tune.picture-title")}</title>
        <desc id={`${id}-text`}>{description}</desc>
        <defs>
          <marker id={`${id}-arrow`} viewBox="0 0 8 8" refX="1" refY="4" markerWidth="7" markerHeight="7" orient="auto">
            <path d="M0 0 L8 4 L0 8 z" className={classes.arrow} />
          </marker>
        </defs>
        {flow.edges.map((edge) => (
          <path
            key={`${edge[0].name} ${edge[1].name}`}
            d={edgePath(edge)}
            className={classes.edge}
            markerEnd={`url(#${id}-arrow)`}
          />
        ))}
        {flow.stages.map((stage) => (
          <Box key={stage.name} stage={stage} />
        ))}
      </svg>
    </div>
  );
}

function Box({ stage }: { stage: Stage }) {
  const speech = useSpeech();
  const nameOf = useChoiceName();
  const look = [classes.box, stage.moved ? classes.moved : "", stage.used ? "" : classes.idle].join(" ");
  return (
    <g>
      <rect x={stage.x} y={stage.y} width={stage.width} height={stage.height} rx={9} className={look} />
      <text x={stage.x + 12} y={stage.y + 21} className={classes.title}>
        {speech.t(`stage.${stage.name}`)}
      </text>
      {stage.choices.map((choice, place) => {
        const y = stage.y + 32 + (place + 0.75) * LINE;
        return (
          <g key={choice.name}>
            <text x={stage.x + 12} y={y} className={classes.name}>
              {nameOf(choice.name)}
            </text>
            <text x={stage.x + stage.width - 12} y={y} textAnchor="end" className={choice.moved ? classes.changed : classes.value}>
              {choice.moved ? `● ${said(choice.name, choice.value, speech)}` : said(choice.name, choice.value, speech)}
            </text>
          </g>
        );
      })}
    </g>
  );
}
