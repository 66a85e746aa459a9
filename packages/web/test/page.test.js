// The page in headless Chromium, beside the program. Screenshots go to LORGNETTE_WEB_SCREENSHOTS, if it is set.

import assert from 'node:assert/strict';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { serverOf } from '../serve.js';
import { Browser } from './browser.js';
import { ask, bitmap, compare, here, root, scratch, train } from './program.js';

const screenshots = process.env.LORGNETTE_WEB_SCREENSHOTS;
const folder = scratch();
const photo = (name) => join(root, 'photos', name);
const requests = [];
let server;
let browser;
let page;
let address;

const listen = (port) => new Promise((resolve) => {
  server = serverOf(join(here, 'site'), ({ method, url }) => requests.push(`${method} ${url}`));
  server.listen(port, '127.0.0.1', () => resolve(server.address().port));
});

async function photograph(name) {
  if (!screenshots) return;
  mkdirSync(screenshots, { recursive: true });
  writeFileSync(join(screenshots, `${name}.png`), await page.photograph());
}

/** A photo as an expression: the page's policy forbids it to fetch one. */
const blob = (name) => {
  const text = readFileSync(photo(name)).toString('base64');
  return `new Blob([Uint8Array.from(atob('${text}'), (one) => one.charCodeAt())])`;
};
const status = (start) => `document.getElementById('status').textContent.startsWith('${start}')`;
const named = "/named in/.test(document.getElementById('status').textContent)";
const loaded = "document.getElementById('load-part').hidden && document.getElementById('model').options.length";
const names = () => page.evaluate("[...document.querySelectorAll('#names li')].map((item) => [...item.children].map((part) => part.textContent))");
/** The list of names as the page shows the program's answer. */
const shown = ({ predictions }) => predictions.map(({ name, probability }) => [name, `${(100 * probability).toFixed(1)} %`]);

before(async () => {
  const port = await listen(0);
  address = `http://127.0.0.1:${port}/`;
  browser = await Browser.start();
  page = await browser.open(address);
  await page.screen(1280, 900, 'light');
});
after(async () => {
  await browser?.close();
  server?.closeAllConnections();
  server?.close();
  rmSync(folder, { recursive: true });
});

test('a photo in, the program’s classes out', async () => {
  await page.until(loaded, 120);
  await page.choose('#file', [photo('chelsea.jpg')]);
  await page.until(named);
  assert.deepEqual(await names(), shown(ask('classify', photo('chelsea.jpg'), '--top', '8')));
  await photograph('names');
});

test('answers in the worker are the program’s to 1e-5', async () => {
  const answers = await page.evaluate(`(async () => {
    const { Lorgnette } = await import('./lorgnette.js');
    const { fetchNetwork } = await import('./networks.js');
    const lorgnette = await Lorgnette.start();
    const model = await lorgnette.openModel(await fetchNetwork(new URL('networks/mobilenet_v1_1.0_224.pb', document.baseURI)), { name: 'mobilenet_v1_1.0_224.pb' });
    await lorgnette.openFaces(await fetchNetwork(new URL('networks/centerface.onnx', document.baseURI)));
    const photo = ${blob('chelsea.jpg')};
    const name = 'PHOTO';
    const progress = [];
    const answers = {
      classify: await model.classify(photo, { name }),
      map: await model.map(photo, { name, scales: [1], onProgress: (event) => progress.push(event) }),
      faces: await lorgnette.faces(photo, { name }),
      blur: await model.blur(photo, { name, classes: ['cat'] }),
    };
    const failed = await model.classify(new Blob(['no photo']), { name: 'x.jpg' }).catch((error) => [error.name, error.message]);
    lorgnette.close();
    const closed = await model.classes().catch((error) => error.message);
    return { ...answers, bytes: answers.blur.picture.size, progress, failed, closed };
  })()`);
  const chelsea = photo('chelsea.jpg');
  const { progress, failed, closed, bytes, ...compared } = answers;
  delete compared.blur.picture;
  for (const [verb, options] of Object.entries({
    classify: [], map: ['--scale', '1'], faces: [], blur: ['--class', 'cat', '--dry-run'],
  })) {
    compare(compared[verb], { ...ask(verb, chelsea, ...options), photo: 'PHOTO' }, verb);
  }
  assert.ok(progress.length > 0 && bytes > 1000);
  assert.equal(failed[0], 'LorgnetteError');
  assert.match(failed[1], /x\.jpg/);
  assert.match(closed, /closed/);
});

test('a network is fetched with progress, once', async () => {
  const file = 'networks/mobilenet_v1_1.0_224.pb';
  const [first, again] = await page.evaluate(`(async () => {
    const { fetchNetwork } = await import('./networks.js');
    const fetched = async () => {
      const events = [];
      const bytes = await fetchNetwork(new URL('${file}?anew', document.baseURI), { onProgress: (event) => events.push(event) });
      return { events, length: bytes.length };
    };
    return [await fetched(), await fetched()];
  })()`);
  const { length } = readFileSync(join(here, 'site', file));
  assert.deepEqual([first.length, again.length], [length, length]);
  assert.ok(first.events.length > 3, 'the progress of so large a file has several steps');
  first.events.forEach(({ done, total }, i) => {
    assert.ok(total === length && done > (first.events[i - 1]?.done ?? 0));
  });
  assert.equal(first.events.at(-1).done, length);
  assert.deepEqual(again.events, [{ done: length, total: length }]);
  assert.equal(requests.filter((request) => request.endsWith(`${file}?anew`)).length, 1);
});

test('threads change no bit of an answer', async (t) => {
  const answers = await page.evaluate(`(async () => {
    const { Lorgnette } = await import('./lorgnette.js');
    const network = new Uint8Array(await (await fetch('networks/mobilenet_v1_1.0_224.pb')).arrayBuffer());
    const faces = new Uint8Array(await (await fetch('networks/centerface.onnx')).arrayBuffer());
    const photo = ${blob('astronaut.jpg')};
    const answers = [];
    for (const threads of [1, 2, 3]) {
      const lorgnette = await Lorgnette.start({ threads });
      const model = await lorgnette.openModel(network, { name: 'network.pb' });
      await lorgnette.openFaces(faces, { name: 'faces.onnx' });
      answers.push({
        threads: lorgnette.threads,
        module: lorgnette.module.split('/').pop(),
        classify: await model.classify(photo),
        map: await model.map(photo),
        faces: await lorgnette.faces(photo),
      });
      lorgnette.close();
    }
    return { isolated: crossOriginIsolated, answers };
  })()`);
  assert.ok(answers.isolated, 'the page is not cross-origin isolated');
  const [one, ...others] = answers.answers;
  assert.deepEqual(answers.answers.map(({ threads }) => threads), [1, 2, 3]);
  t.diagnostic(answers.answers.map(({ threads, module }) => `${threads}: ${module}`).join(', '));
  for (const { threads, module, ...other } of others) {
    assert.equal(module, 'lorgnette-threads.wasm');
    assert.deepEqual({ ...one, threads, module, ...other }, { ...one, threads, module });
  }
});

test('the map is laid over the photo', async () => {
  await page.evaluate("document.getElementById('map').click()");
  await page.until("/cells in/.test(document.getElementById('status').textContent)", 120);
  const map = ask('map', photo('chelsea.jpg'), '--output-stride', '16');
  const [width, height, legend] = await page.evaluate(`[document.getElementById('overlay').width,
    document.getElementById('overlay').height,
    [...document.querySelectorAll('#legend li span:first-child')].map((item) => item.textContent)]`);
  assert.deepEqual([height, width], [map.rows, map.columns]);
  assert.deepEqual(legend, map.legend.slice(0, 8).map(({ name }) => name));
  await photograph('map');
});

test('faces are blurred', async () => {
  await page.drop('#drop', [photo('astronaut.jpg')]);
  await page.until(named);
  await page.evaluate("document.querySelector('#blur button').click()");
  await page.until(status('Blurred in'), 120);
  const expected = ask('blur', photo('astronaut.jpg'), '--faces', '--dry-run');
  const count = expected.blurred.length;
  const text = await page.evaluate("document.getElementById('blurred-text').textContent");
  assert.ok(text.startsWith(count > 1 ? `Blurred: ${count} × face` : 'Blurred: face'), text);
  await page.until("document.getElementById('blurred').naturalWidth === 512");
  assert.equal(await page.evaluate("document.getElementById('download').download"), 'astronaut-blurred.jpg');
  await photograph('blurred');
  await page.screen(1280, 900, 'dark');
  await photograph('dark');
  await page.screen(390, 844, 'light', true);
  assert.ok(await page.evaluate('document.documentElement.scrollWidth <= innerWidth'), 'a telephone has to scroll sideways');
  await photograph('phone');
  await page.evaluate("document.getElementById('names-title').scrollIntoView()");
  await page.screen(390, 844, 'dark', true);
  await photograph('phone-dark');
  await page.screen(1280, 900, 'light');
});

test('a trained model is dropped beside the photo', async () => {
  const model = train(folder);
  const file = join(folder, 'new.bmp');
  writeFileSync(file, bitmap([170, 40, 30], 99));
  await page.drop('#drop', [model, file]);
  await page.until(`${named} && document.getElementById('model').selectedOptions[0].text.startsWith('colours')`);
  await page.until("document.querySelectorAll('#names li').length === 2");
  assert.deepEqual(await names(), shown(ask('classify', file, '--model', model)));
  await photograph('trained');
});

test('what is no photo is refused in words', async () => {
  await page.drop('#drop', [join(root, 'README.md')]);
  await page.until("document.getElementById('status').className === 'error'");
  const damaged = join(root, 'crates/lorgnette/tests/photos/truncated.png');
  await page.choose('#file', [damaged]);
  await page.until("/truncated.png/.test(document.getElementById('status').textContent)");
});

test('a photo is pasted', async () => {
  await page.evaluate(`(async () => {
    const transfer = new DataTransfer();
    transfer.items.add(new File([${blob('coffee.jpg')}], 'pasted.jpg', { type: 'image/jpeg' }));
    document.dispatchEvent(new ClipboardEvent('paste', { clipboardData: transfer }));
  })()`);
  await page.until(`${named} && document.querySelectorAll('#names li').length > 0`);
});

test('it works offline, and photos have not left the browser', async () => {
  assert.ok(requests.length > 0 && requests.every((request) => request.startsWith('GET ')), requests.join('\n'));
  await page.until('navigator.serviceWorker.controller');
  server.closeAllConnections();
  await new Promise((resolve) => server.close(resolve));
  const before = requests.length;
  await page.evaluate('window.isOld = true');
  await page.reload();
  await page.until(`!window.isOld && ${loaded}`, 60);
  await page.choose('#file', [photo('coffee.jpg')]);
  await page.until(named);
  assert.deepEqual(await names(), shown(ask('classify', photo('coffee.jpg'), '--top', '8')));
  assert.equal(requests.length, before);
});
