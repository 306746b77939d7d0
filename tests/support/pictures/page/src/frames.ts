// From an answer of Prometheus to data frames, as Grafana's data source for Prometheus makes them.

import { createDataFrame, type DataFrame, FieldType } from '@grafana/data';
import { type Answer, given, type Panel, type Series, type Target } from './given';

export function framesOf(panel: Panel): DataFrame[] {
  const targets = panel.targets ?? [];
  return targets.flatMap((target) => {
    const { result } = answerTo(panel, target);
    if (target.format === 'table') {
      return [table(target, result, targets.length > 1)];
    }
    return result.map((series) => line(target, series));
  });
}

function answerTo(panel: Panel, target: Target): Answer {
  const found = given.answers[panel.title]?.[target.refId];
  if (!found) {
    throw new Error(`${panel.title} ${target.refId} was not asked`);
  }
  return found;
}

// A frame for each series, with its labels at the numbers.
function line({ refId, legendFormat = '' }: Target, series: Series): DataFrame {
  const points = series.values ?? [series.value!];
  return createDataFrame({
    refId,
    fields: [
      {
        name: 'Time',
        type: FieldType.time,
        values: points.map(([time]) => time * 1000),
        config: { interval: given.step * 1000 },
      },
      {
        name: 'Value',
        type: FieldType.number,
        values: points.map(([, number]) => parsed(number)),
        labels: series.metric,
        config: { displayNameFromDS: legend(legendFormat, series.metric) },
      },
    ],
  });
}

// A frame for a whole query, with a column for each label.
function table({ refId }: Target, result: Series[], oneOfSeveral: boolean): DataFrame {
  const labels = [...new Set(result.flatMap((series) => Object.keys(series.metric)))].sort();
  const points = result.map((series) => series.value!);
  return createDataFrame({
    refId,
    fields: [
      { name: 'Time', type: FieldType.time, values: points.map(([time]) => time * 1000) },
      ...labels.map((label) => ({
        name: label,
        type: FieldType.string,
        values: result.map((series) => series.metric[label] ?? ''),
      })),
      {
        name: oneOfSeveral ? `Value #${refId}` : 'Value',
        type: FieldType.number,
        values: points.map(([, number]) => parsed(number)),
      },
    ],
  });
}

function legend(format: string, labels: Record<string, string>): string {
  return format.replace(/\{\{\s*(\w+)\s*\}\}/g, (_, label) => labels[label] ?? '');
}

// Prometheus writes +Inf where JavaScript has Infinity.
function parsed(number: string): number {
  return Number(number.replace('Inf', 'Infinity'));
}
