import { renderTextPanelMarkdown } from '@grafana/data';
import { replaceVariables } from '../given';
import type { Inside } from '.';

export const sign = '.markdown-html *';

export default function Text({ panel, width, height }: Inside) {
  const html = renderTextPanelMarkdown(replaceVariables(panel.options.content));
  const style = { width, height, overflow: 'auto' };
  return <div className="markdown-html" style={style} dangerouslySetInnerHTML={{ __html: html }} />;
}
