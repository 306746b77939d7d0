import {
  type DisplayValueAlignmentFactors,
  type FieldDisplay,
  getDisplayValueAlignmentFactors,
  getFieldDisplayValues,
} from '@grafana/data';
import { BigValue, VizRepeater, type VizRepeaterRenderValueProps } from '@grafana/ui';
import { theme, TIME_ZONE } from '../fields';
import { replaceVariables } from '../given';
import type { Inside } from '.';

export const sign = 'span';

export default function Stat({ panel, data, width, height }: Inside) {
  const { options, fieldConfig } = panel;
  const values = () =>
    getFieldDisplayValues({
      fieldConfig,
      reduceOptions: options.reduceOptions,
      replaceVariables,
      theme,
      data,
      timeZone: TIME_ZONE,
    });
  const number = (
    place: VizRepeaterRenderValueProps<FieldDisplay, DisplayValueAlignmentFactors>,
  ) => (
    <BigValue
      value={place.value.display}
      count={place.count}
      alignmentFactors={place.alignmentFactors}
      width={place.width}
      height={place.height}
      colorMode={options.colorMode}
      graphMode={options.graphMode}
      justifyMode={options.justifyMode}
      textMode={options.textMode}
      theme={theme}
    />
  );
  return (
    <VizRepeater
      getValues={values}
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      renderValue={number}
      width={width}
      height={height}
      source={data}
      itemSpacing={3}
      renderCounter={1}
      autoGrid
      orientation={options.orientation}
    />
  );
}
