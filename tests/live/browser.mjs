// SPDX-License-Identifier: LGPL-2.1-or-later
// Runs Chromium with the test page for a test in another language.
//
// node browser.mjs CHROMIUM PAGE-URL PROFILE-FOLDER [CAMERA-FILE]; a line of JSON on standard input is a call of one
// function of the page, {"call": "join", "arguments": [...]}, or {"call": "screenshot", "arguments": [PATH]}; a line of
// JSON answers each, {"result": ...} or {"error": "..."}. Ends with the end of its input. NODE_PATH names the modules.

import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';

const [executablePath, url, profile, camera] = process.argv.slice(2);
const require = createRequire(path.join(process.env.NODE_PATH, 'any.js'));
const { chromium } = require('playwright-core');

const context = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  viewport: { width: 1300, height: 760 },
  permissions: ['camera', 'microphone'],
  args: [
    '--headless=new', '--disable-gpu', '--disable-quic', '--no-first-run', '--no-sandbox',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--use-fake-device-for-media-stream=fps=30', '--use-fake-ui-for-media-stream',
    '--autoplay-policy=no-user-gesture-required', '--allow-loopback-in-peer-connection',
    '--disable-features=WebRtcHideLocalIpsWithMdns', '--disable-backgrounding-occluded-windows',
    ...(camera ? [`--use-file-for-fake-video-capture=${camera}`] : []),
  ],
});
const page = context.pages()[0] ?? await context.newPage();

function answer(object) {
  process.stdout.write(`${JSON.stringify(object)}\n`);
}

page.on('console', (message) => process.stderr.write(`page: ${message.text()}\n`));
page.on('pageerror', (error) => process.stderr.write(`page: ${error}\n`));
await page.goto(url);
answer({ result: 'ready' });

for await (const line of readline.createInterface({ input: process.stdin })) {
  const { call, arguments: parameters } = JSON.parse(line);

  try {
    if (call === 'screenshot') {
      await page.screenshot({ path: parameters[0] });
      answer({ result: null });
    } else {
      const result = await page.evaluate(([name, values]) => window[name](...values), [call, parameters]);
      answer({ result: result ?? null });
    }
  } catch (error) {
    answer({ error: String(error) });
  }
}
await context.close();
