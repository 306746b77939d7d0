import { TableNG } from '@grafana/ui/unstable';
import type { Inside } from '.';

export const sign = '[role=gridcell]';

export default function Table({ panel, data, width, height }: Inside) {
  const { options, fieldConfig } = panel;
  return (
    <TableNG
      data={data[0]}
      width={width}
      height={height}
      noHeader={!options.showHeader}
      sortBy={options.sortBy}
      fieldConfig={fieldConfig}
    />
  );
}
