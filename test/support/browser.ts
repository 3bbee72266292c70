import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';

import { needTool } from './tools.ts';

const ARGUMENTS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** A Chromium of the machine; the caller closes it. Without one the test is pending, in CI it fails. */
export async function openBrowser(context: Mocha.Context): Promise<Browser> {
  return chromium.launch({ executablePath: needTool(context, 'chromium'), args: ARGUMENTS });
}

export interface WatchedPage {
  page: Page;
  /** What the page complained about: exceptions, console errors, violations of the content security policy. */
  complaints: string[];
}

/** A page in a fresh session whose complaints are kept. English, UTC, desk size unless said otherwise. */
export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext({
    locale: 'en-GB',
    timezoneId: 'UTC',
    viewport: { width: 1280, height: 800 },
    ...options,
  });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(`exception: ${error.message}`));
  page.on('console', (message) => {
    if (message.type() === 'error' || /content security policy/i.test(message.text())) complaints.push(message.text());
  });
  return { page, complaints };
}
