// SPDX-License-Identifier: LGPL-2.1-or-later
// Uses a web page in Chromium as somebody would, for a test in another language.
//
// node page.mjs CHROMIUM PROFILE-FOLDER; a line of JSON on standard input is a step, {"call": "click", "arguments":
// ["#leave"]}; a line of JSON answers each, {"result": ...} or {"error": "..."}. What a page complains of is in
// "complaints".

import { createRequire } from 'node:module';
import path from 'node:path';
import readline from 'node:readline';

const [executablePath, profile] = process.argv.slice(2);
const require = createRequire(path.join(process.env.NODE_PATH, 'any.js'));
const { chromium } = require('playwright-core');

const context = await chromium.launchPersistentContext(profile, {
  executablePath,
  headless: true,
  args: [
    '--headless=new', '--disable-gpu', '--disable-quic', '--no-first-run', '--no-sandbox',
    '--disable-background-networking', '--disable-component-update', '--disable-sync',
    '--allow-loopback-in-peer-connection', '--disable-features=WebRtcHideLocalIpsWithMdns',
    '--disable-backgrounding-occluded-windows',
  ],
});
const page = context.pages()[0] ?? await context.newPage();
const complaints = [];

function answer(object) {
  process.stdout.write(`${JSON.stringify(object)}\n`);
}

page.on('console', (message) => {
  process.stderr.write(`page: ${message.text()}\n`);
  if (message.type() === 'error') {
    complaints.push(message.text());
  }
});
page.on('pageerror', (error) => complaints.push(String(error)));

const steps = {
  open: async (url, width, height) => {
    await page.setViewportSize({ width, height });
    await page.goto(url);
  },
  resize: (width, height) => page.setViewportSize({ width, height }),
  click: (selector) => page.click(selector, { timeout: 30000 }),
  clickTwice: (selector) => page.$eval(selector, (one) => {
    one.click();
    one.click();
  }),
  fill: (selector, text) => page.fill(selector, text, { timeout: 30000 }),
  choose: (selector, value) => page.selectOption(selector, value, { timeout: 30000 }),
  texts: (selector) => page.$$eval(selector, (all) => all.filter((one) => one.checkVisibility())
    .map((one) => one.textContent)),
  // The pictures on the page: the size of what is shown, and of its place.
  videos: () => page.$$eval('video', (all) => all.map((video) => ({
    width: video.videoWidth, height: video.videoHeight, time: video.currentTime, boxWidth: video.clientWidth,
  }))),
  overflow: () => page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth),
  isFull: () => page.evaluate(() => document.fullscreenElement?.className ?? null),
  leaveFull: () => page.evaluate(() => document.exitFullscreen()),
  screenshot: (file) => page.screenshot({ path: file }),
  complaints: () => complaints,
};

answer({ result: 'ready' });
for await (const line of readline.createInterface({ input: process.stdin })) {
  const { call, arguments: parameters } = JSON.parse(line);

  try {
    answer({ result: await steps[call](...parameters) ?? null });
  } catch (error) {
    answer({ error: String(error) });
  }
}
await context.close();
