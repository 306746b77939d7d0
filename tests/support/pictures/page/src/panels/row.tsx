import { Icon, Stack, Text } from '@grafana/ui';
import type { Inside } from '.';

export const sign = 'h2';

export default function Row({ panel }: Inside) {
  return (
    <Stack alignItems="center" height="100%">
      <Icon name="angle-down" />
      <Text element="h2" variant="h5">
        {panel.title}
      </Text>
    </Stack>
  );
}
