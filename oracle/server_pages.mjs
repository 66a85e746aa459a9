// Uses the pages of `lorgnette serve` as people do, in Chromium: with a mouse, with the keyboard, on a phone.
//
//     node server_pages.mjs SETTINGS.json
//
// oracle/server_pages.py starts the server and writes the settings. Each case is a line; the last says how many passed.
// Needs playwright-core and axe-core (oracle/server_pages.sh).
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const settings = JSON.parse(readFileSync(process.argv[2], 'utf8'));
const require = createRequire(join(settings.modules, 'node_modules', 'x.js'));
const { chromium } = require('playwright-core');
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8');

const browser = await chromium.launch({
  executablePath: settings.chromium,
  args: ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
});
const faults = [];
let passed = 0;

/** Opens a page that notes errors, and requests to anywhere else. */
async function open(path, { dark = false, phone = false } = {}) {
  const context = await browser.newContext({
    baseURL: settings.url, colorScheme: dark ? 'dark' : 'light', bypassCSP: false, acceptDownloads: true,
    ...(phone ? { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 } : { viewport: { width: 1280, height: 900 } }),
  });
  const page = await context.newPage();
  page.noted = [];
  page.on('pageerror', (error) => page.noted.push(String(error)));
  page.on('console', (message) => {
    // A query that is being typed is refused now and then.
    if (message.type() === 'error' && !/status of 400/.test(message.text())) page.noted.push(message.text());
  });
  page.on('request', (request) => {
    if (!request.url().startsWith(settings.url) && !/^(blob|data):/.test(request.url())) page.noted.push(`asks ${request.url()}`);
  });
  await page.goto(path);
  return page;
}

async function test(name, run) {
  try {
    await run();
    passed += 1;
    console.log(`ok      ${name}`);
  } catch (error) {
    faults.push(name);
    console.log(`FAILED  ${name}\n${String(error.stack).replace(/^/gm, '        ')}`);
  }
}

async function close(page) {
  const { noted } = page;
  await page.context().close();
  assert.deepEqual(noted, [], 'errors, or requests to elsewhere');
}

const shot = (page, name) => page.screenshot({ path: join(settings.out, `${name}.png`), fullPage: true });

/** No serious fault by axe-core's rules, WCAG 2.2 AA among them. */
async function accessible(page, name) {
  // As a function of the page's own world, which the content security policy does not keep out.
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => window.axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  const serious = violations.filter(({ impact }) => ['serious', 'critical'].includes(impact));
  const shown = serious.map(({ id, nodes }) => `${id}: ${nodes.map((node) => `${node.html} ${node.failureSummary}`).join('; ')}`);
  assert.deepEqual(shown, [], name);
  const others = violations.filter(({ impact }) => !['serious', 'critical'].includes(impact)).map(({ id }) => id);
  if (others.length) console.log(`        ${name}: slight: ${others.join(', ')}`);
}

/** Nothing sticks out to the right, and what is pressed is large enough. */
async function fitsPhone(page, name) {
  const width = await page.evaluate(() => document.documentElement.scrollWidth);
  assert.ok(width <= 390, `${name} is ${width} pixels wide`);
  const small = await page.evaluate(() => [...document.querySelectorAll('button, select, input:not([type=file]), summary')]
    .filter((element) => element.checkVisibility() && !element.closest('label'))
    .map((element) => [element.outerHTML.slice(0, 80), element.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && (box.width < 24 || box.height < 24)).map(([html]) => html));
  assert.deepEqual(small, [], `${name}: too small to touch`);
}

const status = (page, text) => page.waitForFunction((text) => new RegExp(text).test(document.getElementById('status').textContent), text);
const query = (page) => page.inputValue('#query');

/** Drops a photo as a file manager does. */
async function drop(page, photo = settings.photo) {
  const bytes = readFileSync(photo).toString('base64');
  await page.evaluate((text) => {
    const transfer = new DataTransfer();
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    transfer.items.add(new File([bytes], 'cat.jpg', { type: 'image/jpeg' }));
    document.getElementById('drop').dispatchEvent(new DragEvent('drop', { dataTransfer: transfer, bubbles: true, cancelable: true }));
  }, bytes);
  await status(page, 'Done');
}

/** Drags from one place of an element to another, in fractions of it. */
async function drag(page, selector, [x0, y0, x1, y1]) {
  await page.locator(selector).scrollIntoViewIfNeeded();
  const box = await page.locator(selector).boundingBox();
  const at = (x, y) => [box.x + x * box.width, box.y + y * box.height];
  await page.mouse.move(...at(x0, y0));
  await page.mouse.down();
  await page.mouse.move(...at((x0 + x1) / 2, (y0 + y1) / 2), { steps: 4 });
  await page.mouse.move(...at(x1, y1), { steps: 4 });
  await page.mouse.up();
}

/** Draws a box and types the first letters of what is in it. */
async function drawThing(page, box, typed) {
  await drag(page, '#canvas', box);
  await page.waitForSelector('input[role=combobox]:focus');
  await page.keyboard.type(typed);
  await page.waitForSelector('#things [role=option]');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('Enter');
}

const firstPhoto = (page) => page.locator('#photos .name span').first().textContent();

await test('a dropped photo gets its names', async () => {
  const page = await open('/');
  await drop(page);
  const names = await page.locator('ol.names').first().textContent();
  assert.match(names, /cat|tabby/i);
  await close(page);
});

await test('a photo that is dropped before the models are known waits for them', async () => {
  const page = await open('about:blank');
  await page.route('**/v2/repository/index', async (route) => {
    await new Promise((resolve) => { setTimeout(resolve, 500); });
    await route.continue();
  });
  await page.goto('/');
  await drop(page);
  assert.match(await page.locator('ol.names').first().textContent(), /cat|tabby/i);
  await close(page);
});

await test('the map is an overlay whose names are read with the pointer and with the keyboard', async () => {
  const page = await open('/');
  await drop(page);
  await page.click('#map');
  await status(page, 'colour of its class');
  const canvas = page.locator('.pane canvas').first();
  assert.ok(await canvas.isVisible());
  await page.locator('#opacity').fill('20');
  assert.equal(await canvas.evaluate((element) => element.style.opacity), '0.2');
  await page.locator('.pane .view').first().hover();
  const hovered = await page.locator('.pane .place').first().textContent();
  assert.notEqual(hovered, '');
  await page.locator('.pane .view').first().focus();
  const read = new Set();
  for (let step = 0; step < 6; step += 1) {
    await page.keyboard.press('ArrowLeft');
    read.add(await page.locator('.pane .place').first().textContent());
  }
  assert.ok([...read].every((name) => name !== ''), [...read].join());
  await accessible(page, 'the map');
  await shot(page, 'photo-map');
  await close(page);
});

await test('a blurred copy is shown and can be downloaded', async () => {
  const page = await open('/');
  await drop(page);
  const before = await page.locator('.pane .photo').first().getAttribute('src');
  await page.fill('#class', 'Egyptian cat');
  await page.click('#blur button');
  await status(page, 'Blurred');
  const after = await page.locator('.pane .photo').first().getAttribute('src');
  assert.notEqual(after, before);
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download')]);
  assert.equal(download.suggestedFilename(), 'blurred.jpg');
  const bytes = readFileSync(await download.path());
  assert.deepEqual([...bytes.subarray(0, 2)], [0xff, 0xd8]);
  await page.check('#original');
  assert.equal(await page.locator('.pane .photo').first().getAttribute('src'), before);
  await page.click('#seen');
  await status(page, 'Done');
  assert.ok(await page.locator('.pane .seen img').first().isVisible());
  await close(page);
});

await test('faces are blurred without a class', async () => {
  const page = await open('/');
  await drop(page, settings.face);
  const before = await page.locator('.pane .photo').first().getAttribute('src');
  await page.check('#faces');
  await page.click('#blur button');
  await status(page, 'Blurred');
  assert.notEqual(await page.locator('.pane .photo').first().getAttribute('src'), before);
  await shot(page, 'photo-faces');
  await close(page);
});

await test('two models answer side by side', async () => {
  const page = await open('/');
  await page.selectOption('#second', settings.second);
  await drop(page);
  assert.equal(await page.locator('.pane:visible').count(), 2);
  await page.click('#map');
  await status(page, 'colour of its class');
  assert.equal(await page.locator('.pane canvas:visible').count(), 2);
  await shot(page, 'photo-two');
  await close(page);
});

await test(`${settings.query}: drawn, and the collage is the first`, async () => {
  const page = await open('/library');
  for (const { box, typed } of settings.things) await drawThing(page, box, typed);
  await page.waitForFunction((file) => document.querySelector('#photos .name span')?.textContent === file, settings.expected);
  const text = await query(page);
  const names = settings.things.map(({ name }) => name);
  assert.match(text, new RegExp(`^${names.map((name) => `${name} in box\\([\\d.,]+\\)`).join(' AND ')}$`));
  assert.equal(new URL(page.url()).searchParams.get('q'), text);
  assert.ok(await page.locator('#photos li').first().locator('.found').count() >= 2, 'boxes on the photo');
  await page.locator('#photos details summary').first().click();
  assert.match(await page.locator('#photos details ul').first().textContent(), /=/);
  await accessible(page, 'the library');
  await shot(page, 'library');
  // The URL is the query.
  await page.reload();
  await page.waitForSelector('#canvas .box');
  assert.equal(await query(page), text);
  assert.equal(await page.locator('#canvas .box').count(), names.length);
  await close(page);
});

await test('the text draws, and the drawing says the text', async () => {
  const page = await open('/library');
  await page.fill('#query', `${settings.query} AND NOT dog in the left half`);
  await page.waitForFunction((count) => document.querySelectorAll('#canvas .box').length === count, settings.things.length + 1);
  assert.equal(await page.locator('#canvas .box.negated').count(), 1);
  const left = await page.locator('#canvas .box').first().evaluate((box) => parseFloat(box.style.left));
  assert.ok(Math.abs(left - 100 / 3) < 0.5, `${left}`);
  // With the keyboard.
  await page.locator('#canvas .box').first().focus();
  await page.keyboard.press('ArrowRight');
  await page.keyboard.press('Shift+ArrowDown');
  await page.waitForFunction(() => /in box\(0\.35,0\.33,0\.69,0\.69\)/.test(document.getElementById('query').value));
  assert.ok(await page.evaluate(() => document.activeElement.classList.contains('box')), 'the focus stays');
  await page.keyboard.press('Delete');
  await page.waitForFunction((name) => !document.getElementById('query').value.includes(name), settings.things[0].name);
  // With the rows beside the canvas.
  await page.locator('#things input[type=checkbox]').last().uncheck();
  await page.waitForFunction(() => !document.getElementById('query').value.includes('NOT'));
  await page.locator('#things select').last().selectOption('bottom right');
  await page.waitForFunction(() => document.getElementById('query').value.endsWith('dog in bottom right'));
  await page.goBack();
  await page.waitForFunction(() => !document.getElementById('query').value.includes('bottom right'));
  await close(page);
});

await test('a box is moved and resized with the mouse', async () => {
  const page = await open('/library?q=dog+in+box(0.2,0.2,0.5,0.5)');
  await page.waitForSelector('#canvas .box');
  await drag(page, '#canvas', [0.35, 0.35, 0.55, 0.45]);
  await page.waitForFunction(() => document.getElementById('query').value === 'dog in box(0.4,0.3,0.7,0.6)');
  await drag(page, '#canvas', [0.69, 0.59, 0.89, 0.79]);
  await page.waitForFunction(() => document.getElementById('query').value === 'dog in box(0.4,0.3,0.9,0.8)');
  await close(page);
});

await test('what cannot be drawn is kept', async () => {
  const page = await open(`/library?${new URLSearchParams({ q: '(dog OR cat) date:2000..' })}`);
  await page.waitForSelector('#things .said');
  await page.click('#add');
  await page.keyboard.type('school b');
  await page.waitForSelector('#things [role=option]');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.getElementById('query').value === '(dog OR cat) AND date:2000-01-01.. AND school bus');
  await close(page);
});

await test('a wrong query is shown where it is wrong', async () => {
  const page = await open('/library');
  await page.fill('#query', 'dog in the midle');
  await page.waitForSelector('#fault mark');
  assert.equal(await page.textContent('#fault mark'), 'midle');
  assert.equal(await page.getAttribute('#query', 'aria-invalid'), 'true');
  await accessible(page, 'a wrong query');
  await page.fill('#query', 'dog in the middle');
  await page.waitForFunction(() => document.getElementById('fault').textContent === '');
  await close(page);
});

await test('similar photos are a query', async () => {
  const page = await open(`/library?${new URLSearchParams({ q: settings.query })}`);
  await page.waitForSelector('#photos li');
  await page.locator('#photos a').first().click();
  await page.waitForFunction(() => document.getElementById('query').value.startsWith('like '));
  await page.waitForFunction((file) => document.querySelector('#photos .name span')?.textContent === file, settings.expected);
  await close(page);
});

await test('a correction is stored, and undone', async () => {
  const page = await open(`/library?${new URLSearchParams({ q: settings.query })}`);
  await page.waitForSelector('#photos li');
  await page.locator('#photos article button:has-text("Correct")').first().click();
  await page.waitForSelector('#findings li');
  await accessible(page, 'the corrections');
  await shot(page, 'library-correct');
  await drag(page, '#photo-view', [0.7, 0.7, 0.95, 0.95]);
  await page.locator('#right-name input').pressSequentially('tricerat');
  await page.waitForSelector('#right-name [role=option]');
  await page.keyboard.press('Enter');
  await page.locator('#correction button.first').click();
  await page.waitForSelector('#findings .user');
  await page.locator('#photo form button').first().click();
  await page.fill('#query', 'triceratops in the bottom right corner probability > 0.9');
  await page.waitForFunction((file) => document.querySelector('#photos .name span')?.textContent === file, settings.expected);
  await page.locator('#photos article button:has-text("Correct")').first().click();
  await page.click('#undo');
  await page.waitForFunction(() => document.getElementById('correction-status').textContent === 'Undone.');
  assert.equal(await page.locator('#findings .user').count(), 0);
  await close(page);
});

await test('of duplicates the best is kept and the rest is listed', async () => {
  const page = await open('/library/duplicates');
  await status(page, 'group');
  const rest = (await page.inputValue('#rest')).trim().split('\n');
  assert.equal(rest.length, settings.copies, rest.join());
  const keeps = page.locator('fieldset').first().locator('input[type=checkbox]');
  assert.deepEqual(await keeps.evaluateAll((boxes) => boxes.map((box) => box.checked)), [true, false]);
  await keeps.nth(1).check();
  assert.equal((await page.inputValue('#rest')).trim(), '');
  await keeps.nth(0).uncheck();
  await keeps.nth(1).uncheck();
  assert.match(await page.locator('fieldset').first().textContent(), /None of these is kept/);
  await accessible(page, 'the duplicates');
  await shot(page, 'duplicates');
  await page.selectOption('#near', '0.9');
  await status(page, 'group');
  await close(page);
});

await test('the models are listed', async () => {
  const page = await open('/models');
  await page.waitForSelector('#models tr');
  assert.equal(await page.locator('#models tr').count(), 2);
  await accessible(page, 'the models');
  await shot(page, 'models');
  await close(page);
});

for (const dark of [false, true]) {
  for (const phone of [false, true]) {
    const looks = `${dark ? 'dark' : 'light'}${phone ? ', on a phone' : ''}`;
    await test(`axe-core finds nothing serious: ${looks}`, async () => {
      const page = await open('/', { dark, phone });
      await drop(page);
      await page.click('#map');
      await status(page, 'colour of its class');
      const name = `${dark ? 'dark' : 'light'}${phone ? '-phone' : ''}`;
      const check = async (what) => {
        await accessible(page, what);
        if (phone) await fitsPhone(page, what);
        await shot(page, `${name}-${what}`);
      };
      await check('photo');
      await page.goto(`/library?${new URLSearchParams({ q: `${settings.query} AND NOT dog in the bottom row` })}`);
      await page.waitForSelector('#photos li');
      await page.waitForLoadState('networkidle');
      await check('library');
      await page.locator('#photos article button:has-text("Correct")').first().click();
      await page.waitForSelector('#findings li');
      await page.waitForLoadState('networkidle');
      await check('correct');
      await page.goto('/library/duplicates');
      await status(page, 'group');
      await page.waitForLoadState('networkidle');
      await check('duplicates');
      await page.goto('/models');
      await page.waitForSelector('#models tr');
      await check('models');
      await close(page);
    });
  }
}

await test('a finger draws on a phone', async () => {
  const page = await open('/library', { phone: true });
  const session = await page.context().newCDPSession(page);
  await page.locator('#canvas').scrollIntoViewIfNeeded();
  const box = await page.locator('#canvas').boundingBox();
  const touch = (type, x, y) => session.send('Input.dispatchTouchEvent', {
    type, touchPoints: type === 'touchEnd' ? [] : [{ x: box.x + x * box.width, y: box.y + y * box.height }],
  });
  await touch('touchStart', 0.2, 0.2);
  for (const step of [0.3, 0.4, 0.5, 0.6]) await touch('touchMove', step, step);
  await touch('touchEnd');
  await page.waitForSelector('#canvas .box');
  await page.waitForSelector('input[role=combobox]:focus');
  await page.keyboard.type('dog');
  await page.waitForSelector('#things [role=option]');
  await page.locator('#things [role=option]').first().tap();
  await page.waitForFunction(() => /^\S.* in box\(0\.2,0\.2,0\.6,0\.6\)$/.test(document.getElementById('query').value));
  await close(page);
});

await browser.close();
console.log(`${passed} passed, ${faults.length} failed`);
process.exit(faults.length ? 1 : 0);
