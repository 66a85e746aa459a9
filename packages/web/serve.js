// Serves a folder over HTTP on this machine: node serve.js FOLDER [PORT]

import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:http';
import { extname, join, normalize, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const TYPES = {
  '.html': 'text/html; charset=utf-8', '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json', '.wasm': 'application/wasm', '.svg': 'image/svg+xml', '.png': 'image/png',
  '.jpg': 'image/jpeg', '.webmanifest': 'application/manifest+json',
};

/** Returns a server of the files in `folder`. `onRequest` sees each request. */
export function serverOf(folder, onRequest = () => {}) {
  const root = resolve(folder);
  return createServer(async (request, response) => {
    onRequest(request);
    const refuse = (status, text) => {
      response.writeHead(status, { 'content-type': 'text/plain; charset=utf-8' }).end(`${text}\n`);
    };
    if (!['GET', 'HEAD'].includes(request.method)) return refuse(405, 'only files are served here');
    let path;
    try {
      path = normalize(join(root, decodeURIComponent(new URL(request.url, 'http://localhost').pathname)));
    } catch {
      return refuse(400, 'this is no address');
    }
    if (path !== root && !path.startsWith(root + sep)) return refuse(404, 'not found');
    if (path.endsWith(sep) || path === root) path = join(path, 'index.html');
    const found = await stat(path).catch(() => null);
    if (!found?.isFile()) return refuse(404, 'not found');
    response.writeHead(200, {
      'content-type': TYPES[extname(path)] ?? 'application/octet-stream',
      'content-length': found.size,
      'cache-control': 'no-cache',
      // Such a page may share memory with its workers.
      'cross-origin-opener-policy': 'same-origin',
      'cross-origin-embedder-policy': 'require-corp',
    });
    if (request.method === 'HEAD') return response.end();
    createReadStream(path).on('error', () => response.destroy()).pipe(response);
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [folder = 'site', port = '8000'] = process.argv.slice(2);
  serverOf(folder).listen(Number(port), '127.0.0.1', () => console.log(`http://127.0.0.1:${port}/`));
}
