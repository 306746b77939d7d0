// node draw.js DASHBOARDS ANSWERS FOLDER BROWSER: a PNG in FOLDER of each dashboard.
//
// The browser has no network: it gets the page, Grafana's icons and its fonts from here. Whatever
// the page complains of, and each panel that shows nothing, is a failure.

import { existsSync } from 'node:fs';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join, parse } from 'node:path';
import { chromium } from 'playwright-core';
import sharp from 'sharp';

const [dashboards, answers, folder, executablePath] = process.argv.slice(2);

const WIDTH = 1600;

// Where the files are that Grafana's server would send.
const PLACES = [
  [/^\/public\/build\/img\/icons\//, 'node_modules/@grafana/ui/dist/public/img/icons/'],
  [/^\/public\/fonts\/inter\//, 'node_modules/inter-ui/web/'],
  [
    /^\/public\/fonts\/roboto\/.*$/,
    'node_modules/@fontsource/roboto-mono/files/roboto-mono-latin-400-normal.woff2',
  ],
  [/^\//, 'dist/'],
];

async function main() {
  await mkdir(folder, { recursive: true });
  const browser = await chromium.launch({ executablePath });
  try {
    const complaints = [];
    for (const name of (await readdir(dashboards)).sort()) {
      complaints.push(...(await draw(browser, name)));
    }
    complaints.forEach((each) => console.error(each));
    process.exitCode = complaints.length ? 1 : 0;
  } finally {
    await browser.close();
  }
}

async function draw(browser, name) {
  const complaints = [];
  const complain = (text) => complaints.push(`${name}: ${text}`);
  const page = await browser.newPage({
    viewport: { width: WIDTH, height: 1000 },
    timezoneId: 'UTC',
  });
  page.on('pageerror', (error) => complain(error.stack ?? error.message));
  page.on('console', (message) => message.type() === 'error' && complain(message.text()));
  await page.route('**/*', answer);
  await page.addInitScript((given) => (window.given = given), {
    dashboard: await read(dashboards, name),
    ...(await read(answers, name)),
  });
  await page.goto('http://page.invalid/index.html');
  (await blank(page)).forEach((title) => complain(`${title} shows nothing`));
  await save(await shot(page), join(folder, `${parse(name).name}.png`));
  console.log(`${name}: ${complaints.length} complaints`);
  await page.close();
  return complaints;
}

// The panels that show nothing, when there are none or the time is over.
async function blank(page) {
  await page
    .waitForFunction(() => window.blank?.().length === 0, null, { timeout: 30_000 })
    .catch(() => {});
  return page.evaluate(() => window.blank?.() ?? ['the page']);
}

// All of it at once, with its icons: what is out of sight, tables do not draw.
async function shot(page) {
  await page.waitForLoadState('networkidle');
  const height = await page.evaluate(() => document.documentElement.scrollHeight);
  await page.setViewportSize({ width: WIDTH, height });
  return page.screenshot();
}

// In as few colours as a chart has, which halves the file.
async function save(png, path) {
  await sharp(png).png({ palette: true, colours: 192, dither: 0, effort: 10 }).toFile(path);
}

async function read(inside, name) {
  return JSON.parse(await readFile(join(inside, name), 'utf8'));
}

function answer(route) {
  const asked = new URL(route.request().url()).pathname;
  const [pattern, place] = PLACES.find(([pattern]) => pattern.test(asked));
  const path = asked.replace(pattern, place);
  return existsSync(path) ? route.fulfill({ path }) : route.fulfill({ status: 404, body: path });
}

await main();
