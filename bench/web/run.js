// Lorgnette beside ONNX Runtime Web and TensorFlow.js (WebAssembly backends) in headless Chromium: the forward pass of
// MobileNet V1 on one page, in turns, and the size of what a visitor downloads.
//
//   python3 bench/web/networks.py DIR && npm install --prefix bench/web && packages/web/build.sh
//   node bench/web/run.js DIR [ROUNDS]
//
// Lorgnette's module has one thread; the others are measured with one and with two.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { cpus } from 'node:os';
import { extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { Browser } from '../../packages/web/test/browser.js';

const here = fileURLToPath(new URL('.', import.meta.url));
const [work, rounds = '7'] = process.argv.slice(2);
const roots = {
  bench: here, peers: join(here, 'node_modules'), lorgnette: join(here, '../../packages/web'), work: resolve(work),
};
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.mjs': 'text/javascript', '.wasm': 'application/wasm', '.json': 'application/json' };
let served = [];

const server = createServer((request, response) => {
  const [, root, ...path] = new URL(request.url, 'http://localhost').pathname.split('/');
  try {
    const file = join(roots[root], ...path);
    const bytes = readFileSync(file);
    served.push(file);
    response.writeHead(200, {
      'content-type': TYPES[extname(file)] ?? 'application/octet-stream',
      // Isolated pages may share memory between threads.
      'cross-origin-opener-policy': 'same-origin', 'cross-origin-embedder-policy': 'require-corp',
    }).end(bytes);
  } catch {
    response.writeHead(404).end();
  }
});
await new Promise((ready) => server.listen(0, '127.0.0.1', ready));

const OF = { lorgnette: /packages\/web/, onnxruntime: /onnxruntime-web/, tfjs: /@tensorflow/ };

function sizes() {
  const code = [...new Set(served)].filter((file) => /\.(m?js|wasm)$/.test(file));
  return Object.entries(OF).map(([name, pattern]) => {
    const files = code.filter((file) => pattern.test(file));
    const bytes = files.reduce((sum, file) => sum + gzipSync(readFileSync(file), { level: 9 }).length, 0);
    return `${name} ${(bytes / 1e6).toFixed(2)} MB`;
  });
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

console.log(`${cpus()[0].model}, ${cpus().length} cores`);
const browser = await Browser.start();
for (const threads of [1, 2]) {
  served = [];
  const page = await browser.open(`http://127.0.0.1:${server.address().port}/bench/page.html`);
  await page.until('window.isReady && window.tf', 60);
  const { isolated, module, error, times } = await page.evaluate(`measure(${threads}, ${rounds}, 1)`);
  console.log(`${threads} ${threads > 1 ? 'threads (Lorgnette: one)' : 'thread'}; ${module}; isolated: ${isolated}`);
  for (const [name, all] of Object.entries(times)) {
    const ratio = median(all.map((time, round) => time / times.lorgnette[round]));
    console.log(`  ${name.padEnd(12)} median ${median(all).toFixed(1)} ms, best ${Math.min(...all).toFixed(1)} ms, ${ratio.toFixed(2)} of Lorgnette's; error ${error[name].toExponential(1)}`);
  }
  console.log(`  code, by gzip: ${sizes().join(', ')}`);
}
await browser.close();
server.close();
