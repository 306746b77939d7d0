import { dateTime, type TimeRange } from '@grafana/data';
import { TimeSeries } from '@grafana/ui';
import { TIME_ZONE } from '../fields';
import { given } from '../given';
import type { Inside } from '.';

const from = dateTime(given.begin * 1000);
const to = dateTime(given.end * 1000);
const shown: TimeRange = { from, to, raw: { from, to } };

export const sign = '.uplot canvas';

export default function Lines({ panel, data, width, height }: Inside) {
  return (
    <TimeSeries
      frames={data}
      width={width}
      height={height}
      timeRange={shown}
      timeZone={TIME_ZONE}
      legend={panel.options.legend}
    />
  );
}
