// What is drawn: a dashboard as the chart ships it, and what Prometheus has answered.

import type { DataTransformerConfig, FieldConfigSource } from '@grafana/data';

export interface Target {
  refId: string;
  legendFormat?: string;
  format?: 'table';
}

export interface Panel {
  id: number;
  type: string;
  title: string;
  description?: string;
  gridPos: { x: number; y: number; w: number; h: number };
  targets?: Target[];
  fieldConfig: FieldConfigSource;
  options: Record<string, any>;
  transformations?: DataTransformerConfig[];
}

export interface Variable {
  name: string;
  label: string;
  type: string;
  current: { text?: string | string[]; value?: string | string[] };
}

export interface Dashboard {
  title: string;
  description: string;
  links: { title: string; type: 'dashboards' | 'link' }[];
  templating: { list: Variable[] };
  panels: Panel[];
}

// One series of an answer: a line has `values`, a single number has `value`.
export interface Series {
  metric: Record<string, string>;
  values?: [number, string][];
  value?: [number, string];
}

export interface Answer {
  resultType: 'matrix' | 'vector' | 'scalar';
  result: Series[];
}

export interface Given {
  dashboard: Dashboard;
  // In seconds.
  begin: number;
  end: number;
  step: number;
  // By the panel's title and the query's letter.
  answers: Record<string, Record<string, Answer>>;
}

declare global {
  interface Window {
    given: Given;
    // For whoever takes the picture: the panels that show nothing, or not yet.
    blank: () => string[];
  }
}

export const given = window.given;

// The dashboard's variables in a text, as far as they stand for one value.
export function replaceVariables(text: string): string {
  return given.dashboard.templating.list
    .filter((variable) => typeof variable.current.value === 'string')
    .reduce(
      (said, { name, current }) => said.replaceAll(`\${${name}}`, current.value as string),
      text,
    );
}
