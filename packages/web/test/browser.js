// Chromium over its debugging pipe: no driver and no package is needed.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const FLAGS = [
  '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--hide-scrollbars',
  '--disable-background-networking', '--disable-component-update', '--disable-sync', '--remote-debugging-pipe',
];

export class Browser {
  #process;
  #profile;
  #last = 0;
  #waiting = new Map();
  #rest = '';

  static async start(path = process.env.CHROMIUM ?? 'chromium') {
    const browser = new Browser();
    browser.#profile = mkdtempSync(join(tmpdir(), 'lorgnette-chromium-'));
    browser.#process = spawn(path, [...FLAGS, `--user-data-dir=${browser.#profile}`, 'about:blank'], {
      stdio: ['ignore', 'ignore', 'ignore', 'pipe', 'pipe'],
    });
    const ended = new Promise((_, reject) => {
      browser.#process.on('error', reject);
      browser.#process.on('exit', (code) => reject(new Error(`${path} ended with ${code}`)));
    });
    ended.catch(() => {});
    browser.#process.stdio[4].setEncoding('utf8').on('data', (text) => browser.#receive(text));
    await Promise.race([browser.send('Browser.getVersion'), ended]);
    return browser;
  }

  #receive(text) {
    const messages = (this.#rest + text).split('\0');
    this.#rest = messages.pop();
    for (const message of messages.map((message) => JSON.parse(message))) {
      const waiting = this.#waiting.get(message.id);
      this.#waiting.delete(message.id);
      if (message.error) waiting?.reject(new Error(message.error.message));
      else waiting?.resolve(message.result);
    }
  }

  send(method, params = {}, sessionId = undefined) {
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#process.stdio[3].write(`${JSON.stringify({ id, method, params, sessionId })}\0`);
    });
  }

  /** Opens a page in a context of its own, without the files that others keep. */
  async open(url) {
    const { browserContextId } = await this.send('Target.createBrowserContext');
    const { targetId } = await this.send('Target.createTarget', { url, browserContextId });
    const { sessionId } = await this.send('Target.attachToTarget', { targetId, flatten: true });
    return new Page(this, sessionId);
  }

  async close() {
    const ended = new Promise((resolve) => this.#process.once('exit', resolve));
    await this.send('Browser.close');
    await ended;
    rmSync(this.#profile, { recursive: true, force: true, maxRetries: 5 });
  }
}

export class Page {
  constructor(browser, session) {
    this.send = (method, params) => browser.send(method, params, session);
  }

  /** Evaluates an expression in the page, a promise's value if it is one. */
  async evaluate(expression) {
    const { result, exceptionDetails } = await this.send('Runtime.evaluate', {
      expression, awaitPromise: true, returnByValue: true, userGesture: true,
    });
    if (exceptionDetails) throw new Error(exceptionDetails.exception?.description ?? exceptionDetails.text);
    return result.value;
  }

  /** Waits until an expression is true. */
  async until(expression, seconds = 60) {
    const end = Date.now() + 1000 * seconds;
    while (!await this.evaluate(`Boolean(${expression})`).catch(() => false)) {
      if (Date.now() > end) {
        const status = await this.evaluate("document.getElementById('status')?.textContent").catch(String);
        throw new Error(`after ${seconds} s it is not so that ${expression}; the page says: ${status}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Chooses files in a file input. */
  async choose(selector, files) {
    const { root } = await this.send('DOM.getDocument');
    const { nodeId } = await this.send('DOM.querySelector', { nodeId: root.nodeId, selector });
    await this.send('DOM.setFileInputFiles', { nodeId, files });
  }

  /** Drops files or folders in the middle of an element. */
  async drop(selector, files) {
    const [x, y] = await this.evaluate(`(() => {
      const element = document.querySelector('${selector}');
      element.scrollIntoView();
      const { left, top, width, height } = element.getBoundingClientRect();
      return [left + width / 2, top + height / 2];
    })()`);
    const data = { items: [], files, dragOperationsMask: 1 };
    for (const type of ['dragEnter', 'dragOver', 'drop']) {
      await this.send('Input.dispatchDragEvent', { type, x, y, data });
    }
  }

  async reload() {
    await this.send('Page.reload');
  }

  /** Pretends to be a screen: width and height in CSS pixels, `light` or `dark`. */
  async screen(width, height, scheme, mobile = false) {
    await this.send('Emulation.setDeviceMetricsOverride', { width, height, deviceScaleFactor: mobile ? 2 : 1, mobile });
    await this.send('Emulation.setEmulatedMedia', { features: [{ name: 'prefers-color-scheme', value: scheme }] });
  }

  async photograph() {
    const { data } = await this.send('Page.captureScreenshot', { format: 'png' });
    return Buffer.from(data, 'base64');
  }
}
