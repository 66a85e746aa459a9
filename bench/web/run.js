// Lorgnette beside ONNX Runtime Web and TensorFlow.js (WebAssembly backends) in headless Chromium: the forward pass of
// MobileNet V1 on one page, in turns, and the size of what a visitor downloads.
//
//   python3 bench/web/networks.py DIR && npm install --prefix bench/web && packages/web/build.sh
//   node bench/web/run.js DIR [ROUNDS]
//
// Each is measured with one thread and with two. Beside the medians of a clock stand the least time of any run, and the
// CPU's time of all threads of the browser: on a machine that does other things too, only these two say how the engines
// compare, the CPU's on one thread.

import { readdirSync, readFileSync } from 'node:fs';
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

/** Milliseconds that this process's children, and theirs, have computed; 0 where there is no /proc. */
function cpuTime() {
  let processes;
  try {
    processes = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  } catch {
    return 0;
  }
  const parents = new Map();
  for (const id of processes) {
    try {
      parents.set(id, readFileSync(`/proc/${id}/stat`, 'utf8').replace(/.*\) . /, '').split(' ')[0]);
    } catch { /* It has ended. */ }
  }
  const isOurs = (id) => id !== undefined && id !== '0' && (parents.get(id) === String(process.pid) || isOurs(parents.get(id)));
  let nanoseconds = 0;
  for (const id of [...parents.keys()].filter(isOurs)) {
    try {
      for (const thread of readdirSync(`/proc/${id}/task`)) {
        nanoseconds += Number(readFileSync(`/proc/${id}/task/${thread}/schedstat`, 'utf8').split(' ')[0]);
      }
    } catch { /* It has ended. */ }
  }
  return nanoseconds / 1e6;
}

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

console.log(`${cpus()[0].model}, ${cpus().length} cores`);
const browser = await Browser.start();
for (const threads of [1, 2]) {
  served = [];
  const page = await browser.open(`http://127.0.0.1:${server.address().port}/bench/page.html`);
  await page.until('window.isReady && window.tf', 60);
  const { isolated, module, own, error } = await page.evaluate(`prepare(${threads})`);
  console.log(`${threads} thread${threads > 1 ? 's' : ''} (Lorgnette: ${own}); ${module}; isolated: ${isolated}`);
  const clock = Object.fromEntries(Object.keys(error).map((name) => [name, []]));
  const cpu = structuredClone(clock);
  const least = Object.fromEntries(Object.keys(error).map((name) => [name, Infinity]));
  // The first round warms up: engines compile again what runs often.
  for (let round = -1; round < Number(rounds); round++) {
    for (const name of Object.keys(error)) {
      const before = cpuTime();
      const { median, least: shortest, count } = await page.evaluate(`turn('${name}', 1)`);
      if (round < 0) continue;
      least[name] = Math.min(least[name], shortest);
      clock[name].push(median);
      cpu[name].push((cpuTime() - before) / count);
    }
  }
  const ratio = (times, name) => median(times[name].map((time, round) => time / times.lorgnette[round])).toFixed(2);
  for (const name of Object.keys(error)) {
    const [all, computed] = [clock[name], cpu[name]].map((times) => `${median(times).toFixed(1)} ms`);
    console.log(`  ${name.padEnd(12)} median ${all}, ${ratio(clock, name)} of Lorgnette's; `
      + `least ${least[name].toFixed(1)} ms, ${(least[name] / least.lorgnette).toFixed(2)}; `
      + `CPU ${computed}, ${ratio(cpu, name)}; error ${error[name].toExponential(1)}`);
  }
  console.log(`  code, by gzip: ${sizes().join(', ')}`);
}
await browser.close();
server.close();
