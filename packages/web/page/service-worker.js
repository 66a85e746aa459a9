// Keeps the page's own files, so that it works offline. Networks are kept by networks.js.

const CACHE = 'lorgnette-page-@VERSION@';
// The page names the module.
const MODULE = new URL(location.href).searchParams.get('module');
const FILES = [
  './', 'style.css', 'page.js', 'dropped.js', 'lorgnette.js', 'engine.js', 'worker.js', 'networks.js',
  MODULE, 'networks.json', 'icon.svg', 'page.webmanifest',
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
  event.respondWith(kept.then((response) => response ?? fetch(event.request)));
});
