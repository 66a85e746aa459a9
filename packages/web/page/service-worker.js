// Keeps the page's own files, so that it works offline. Networks are kept by networks.js.

const CACHE = 'lorgnette-page-@VERSION@';
// The page names the module.
const MODULE = new URL(location.href).searchParams.get('module');
const FILES = [
  './', 'style.css', 'page.js', 'dropped.js', 'lorgnette.js', 'engine.js', 'worker.js', 'thread.js',
  'networks.js', MODULE, 'networks.json', 'icon.svg', 'page.webmanifest',
];

addEventListener('install', (event) => {
  const fresh = FILES.map((file) => new Request(file, { cache: 'reload' }));
  event.waitUntil(caches.open(CACHE).then((cache) => cache.addAll(fresh)).then(() => skipWaiting()));
});

addEventListener('activate', (event) => {
  const isOld = (name) => name.startsWith('lorgnette-page-') && name !== CACHE;
  event.waitUntil(caches.keys()
    .then((names) => Promise.all(names.filter(isOld).map((name) => caches.delete(name))))
    .then(() => clients.claim()));
});

addEventListener('fetch', (event) => {
  if (event.request.method !== 'GET') return;
  const kept = caches.open(CACHE).then((cache) => cache.match(event.request, { ignoreSearch: true }));
  event.respondWith(kept.then(async (response) => isolated(response ?? await fetch(event.request))));
});

/** The response with the headers of a page that may share memory with its threads: not all servers send them. */
function isolated(response) {
  if (response.type === 'opaque' || response.type === 'error' || response.redirected) return response;
  const headers = new Headers(response.headers);
  headers.set('cross-origin-opener-policy', 'same-origin');
  headers.set('cross-origin-embedder-policy', 'require-corp');
  const { status, statusText } = response;
  return new Response(status === 204 || status === 304 ? null : response.body, { status, statusText, headers });
}
