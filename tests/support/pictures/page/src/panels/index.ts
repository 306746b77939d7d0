// Each type of panel has a module of its name: its default draws what is inside one, and `sign` is
// a selector of what is there once that shows something.

import type { DataFrame } from '@grafana/data';
import type { ComponentType } from 'react';
import type { Panel } from '../given';

export interface Inside {
  panel: Panel;
  data: DataFrame[];
  width: number;
  height: number;
}

interface Kind {
  default: ComponentType<Inside>;
  sign: string;
}

const kinds = import.meta.glob<Kind>('./*.tsx', { eager: true });

export function kindOf(type: string): Kind {
  const found = kinds[`./${type}.tsx`];
  if (!found) {
    throw new Error(`there is no panel of the type ${type} here`);
  }
  return found;
}
