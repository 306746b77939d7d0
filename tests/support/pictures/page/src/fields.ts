// What a panel says of its fields: by Grafana's own code, which finds the properties in a registry
// that its server's pages fill, and so this one does.

import {
  applyFieldOverrides,
  cacheFieldDisplayNames,
  createTheme,
  type DataFrame,
  dataLinksOverrideProcessor,
  type DataTransformerInfo,
  displayNameOverrideProcessor,
  type FieldConfigPropertyItem,
  identityOverrideProcessor,
  numberOverrideProcessor,
  standardFieldConfigEditorRegistry,
  standardTransformers,
  standardTransformersRegistry,
  stringOverrideProcessor,
  thresholdsOverrideProcessor,
  transformDataFrame,
  type TransformerRegistryItem,
  unitOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';
import { lastValueFrom } from 'rxjs';
import { framesOf } from './frames';
import { type Panel, replaceVariables } from './given';

export const theme = createTheme({ colors: { mode: 'dark' } });
export const TIME_ZONE = 'utc';

const PROPERTIES = {
  color: identityOverrideProcessor,
  decimals: numberOverrideProcessor,
  displayName: displayNameOverrideProcessor,
  links: dataLinksOverrideProcessor,
  mappings: valueMappingsOverrideProcessor,
  max: numberOverrideProcessor,
  min: numberOverrideProcessor,
  noValue: stringOverrideProcessor,
  thresholds: thresholdsOverrideProcessor,
  unit: unitOverrideProcessor,
};

// What a panel may say of its kind of fields.
const OF_COLUMNS = ['align', 'filterable', 'width'];
const OF_LINES = ['drawStyle', 'fillOpacity', 'lineWidth', 'showPoints', 'spanNulls', 'stacking'];
const OF_AXES = ['axisSoftMax'];

const TRANSFORMERS = [
  standardTransformers.mergeTransformer,
  standardTransformers.organizeFieldsTransformer,
];

export function fillRegistries(): void {
  standardFieldConfigEditorRegistry.setInit(() => [
    ...Object.entries(PROPERTIES).map(([id, process]) => property({ id, path: id, process })),
    ...[...OF_COLUMNS, ...OF_LINES, ...OF_AXES].map((path) =>
      property({ id: `custom.${path}`, path, process: identityOverrideProcessor, isCustom: true }),
    ),
  ]);
  standardTransformersRegistry.setInit(() => TRANSFORMERS.map(transformer));
}

function property(said: object): FieldConfigPropertyItem {
  return { ...said, shouldApply: () => true } as unknown as FieldConfigPropertyItem;
}

function transformer(each: DataTransformerInfo): TransformerRegistryItem {
  return {
    id: each.id,
    transformation: () => Promise.resolve(each),
  } as unknown as TransformerRegistryItem;
}

// The data of a panel as it shows them: transformed, with names, units and colours.
export async function dataOf(panel: Panel): Promise<DataFrame[]> {
  complainOfUnknown(panel);
  const transformed = await lastValueFrom(
    transformDataFrame(panel.transformations ?? [], framesOf(panel)),
  );
  const data = applyFieldOverrides({
    data: transformed,
    fieldConfig: panel.fieldConfig,
    replaceVariables,
    theme,
    timeZone: TIME_ZONE,
  });
  cacheFieldDisplayNames(data);
  return data;
}

// Grafana's code passes over what is in no registry.
function complainOfUnknown({ title, fieldConfig, transformations = [] }: Panel): void {
  const { custom = {}, ...defaults } = fieldConfig.defaults;
  const used = [
    ...Object.keys(defaults),
    ...Object.keys(custom).map((path) => `custom.${path}`),
    ...fieldConfig.overrides.flatMap(({ properties }) => properties.map(({ id }) => id)),
    ...transformations.map(({ id }) => id),
  ];
  const known = [
    ...standardFieldConfigEditorRegistry.list().map(({ id }) => id),
    ...standardTransformersRegistry.list().map(({ id }) => id),
  ];
  const unknown = used.filter((id) => !known.includes(id));
  if (unknown.length) {
    throw new Error(`${title} uses ${unknown}, which this page does not know`);
  }
}
