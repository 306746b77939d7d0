// Draws the dashboard that it is given, and says when it is done.

import 'uplot/dist/uPlot.min.css';
import { ThemeContext } from '@grafana/data';
import { GlobalStyles, PortalContainer } from '@grafana/ui';
import { createRoot } from 'react-dom/client';
import { Dashboard, type Drawable } from './dashboard';
import { dataOf, fillRegistries, theme } from './fields';
import { given } from './given';
import { kindOf } from './panels';

window.blank = () => {
  const placed = [...document.querySelectorAll<HTMLElement>('[data-panel]')];
  const showing = placed.filter(
    (each) =>
      each.querySelector(kindOf(each.dataset.type!).sign) && !each.innerText.includes('No data'),
  );
  const titles = showing.map((each) => each.dataset.panel);
  return given.dashboard.panels
    .map(({ title }) => title)
    .filter((title) => !titles.includes(title));
};

async function main() {
  fillRegistries();
  const panels: Drawable[] = await Promise.all(
    given.dashboard.panels.map(async (panel) => ({
      panel,
      data: panel.targets ? await dataOf(panel) : [],
    })),
  );
  createRoot(document.getElementById('dashboard')!).render(
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <Dashboard panels={panels} />
      <PortalContainer />
    </ThemeContext.Provider>,
  );
}

await main();
