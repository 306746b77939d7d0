// The dashboard as a whole: its head, and its panels in Grafana's grid.

import { type DataFrame, dateTimeFormat } from '@grafana/data';
import { Button, InlineLabel, Input, PanelChrome, Stack, Text } from '@grafana/ui';
import type { CSSProperties } from 'react';
import { theme, TIME_ZONE } from './fields';
import { given, type Panel } from './given';
import { kindOf } from './panels';

const COLUMNS = 24;
const CELL_HEIGHT = 30;
const GAP = 8;
const MARGIN = 16;
const WIDTH = window.innerWidth - 2 * MARGIN;
const COLUMN = (WIDTH - GAP * (COLUMNS - 1)) / COLUMNS;

export type Drawable = { panel: Panel; data: DataFrame[] };

export function Dashboard({ panels }: { panels: Drawable[] }) {
  const bottom = Math.max(...panels.map(({ panel }) => panel.gridPos.y + panel.gridPos.h));
  const style: CSSProperties = { position: 'relative', height: bottom * (CELL_HEIGHT + GAP) };
  return (
    <div style={{ padding: MARGIN, background: theme.colors.background.canvas }}>
      <Stack direction="column" gap={2}>
        <Head />
        <div style={style}>
          {panels.map((each) => (
            <Placed key={each.panel.id} {...each} />
          ))}
        </div>
      </Stack>
    </div>
  );
}

function Head() {
  const shown = [given.begin, given.end].map((time) =>
    dateTimeFormat(time * 1000, { timeZone: TIME_ZONE }),
  );
  return (
    <Stack direction="column" gap={2}>
      <Stack justifyContent="space-between">
        <Text element="h1" variant="h3">
          {given.dashboard.title}
        </Text>
        <Text color="secondary">{shown.join(' to ')} UTC</Text>
      </Stack>
      <Stack justifyContent="space-between">
        <Variables />
        <Links />
      </Stack>
    </Stack>
  );
}

function Variables() {
  return (
    <Stack>
      {given.dashboard.templating.list.map(({ name, label, current }) => {
        const value = String(current.text ?? 'Prometheus');
        return (
          <Stack key={name} gap={0}>
            <InlineLabel width="auto">{label}</InlineLabel>
            <Input readOnly width={Math.max(12, value.length + 2)} value={value} />
          </Stack>
        );
      })}
    </Stack>
  );
}

function Links() {
  return (
    <Stack>
      {given.dashboard.links.map(({ title, type }) => (
        <Button
          key={title}
          variant="secondary"
          icon={type === 'link' ? 'external-link-alt' : 'bars'}
        >
          {title}
        </Button>
      ))}
    </Stack>
  );
}

function Placed({ panel, data }: Drawable) {
  const { x, y, w, h } = panel.gridPos;
  const width = Math.round(w * COLUMN + (w - 1) * GAP);
  const height = h * CELL_HEIGHT + (h - 1) * GAP;
  const left = Math.round(x * (COLUMN + GAP));
  const style: CSSProperties = {
    position: 'absolute',
    left,
    top: y * (CELL_HEIGHT + GAP),
    width,
    height,
  };
  const Inside =
    panel.targets && !data.some(({ length }) => length) ? NoData : kindOf(panel.type).default;
  return (
    <div style={style} data-panel={panel.title} data-type={panel.type}>
      {panel.type === 'row' ? (
        <Inside {...{ panel, data, width, height }} />
      ) : (
        <PanelChrome
          title={panel.title}
          description={panel.description}
          width={width}
          height={height}
        >
          {(innerWidth, innerHeight) => (
            <Inside panel={panel} data={data} width={innerWidth} height={innerHeight} />
          )}
        </PanelChrome>
      )}
    </div>
  );
}

// As Grafana says it.
function NoData() {
  return <Text>No data</Text>;
}
