// Networks are files of their own: fetched with progress, checked, and kept for the next time.

const CACHE = 'lorgnette-networks';

/** The bytes of a network differ from those that were promised, as after a download broke off. */
export class WrongNetwork extends Error {
  name = 'WrongNetwork';
}

/**
 * Fetches a file, or takes it from the browser's cache.
 * @param url its address
 * @param sha256 its digest in hexadecimal digits, if it is known
 * @param onProgress called with the bytes that have come and all of them (0 if unknown)
 */
export async function fetchNetwork(url, { sha256, onProgress, signal } = {}) {
  const address = String(url);
  // Caches exist only where the page is from https or this machine.
  const cache = typeof caches === 'undefined' ? null : await caches.open(CACHE);
  const kept = await cache?.match(address);
  if (kept) {
    const bytes = new Uint8Array(await kept.arrayBuffer());
    if (await isRight(bytes, sha256)) {
      onProgress?.({ done: bytes.length, total: bytes.length });
      return bytes;
    }
    await cache.delete(address);
  }
  const bytes = await download(address, onProgress, signal);
  if (!await isRight(bytes, sha256)) {
    throw new WrongNetwork(`${address}: these are not the bytes of the network: load the page again`);
  }
  try {
    const headers = { 'content-type': 'application/octet-stream' };
    await cache?.put(address, new Response(bytes, { headers }));
  } catch (error) {
    // A full disk costs the next visit a download, not this one its answer.
    console.warn(`${address} is not kept: ${error.message}`);
  }
  return bytes;
}

async function download(address, onProgress, signal) {
  const response = await fetch(address, { signal });
  if (!response.ok) throw new Error(`${address}: ${response.status} ${response.statusText}`);
  // The length is that of compressed bytes if there is a content-encoding.
  const isPlain = !response.headers.get('content-encoding');
  const total = isPlain ? Number(response.headers.get('content-length') ?? 0) : 0;
  const reader = response.body.getReader();
  const parts = [];
  let done = 0;
  for (;;) {
    const { value } = await reader.read();
    if (!value) break;
    parts.push(value);
    done += value.length;
    onProgress?.({ done, total: Math.max(total, total && done) });
  }
  const bytes = new Uint8Array(done);
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** True if the bytes have the digest, or it is unknown, or the browser offers no digests. */
async function isRight(bytes, sha256) {
  const subtle = globalThis.crypto?.subtle;
  if (!sha256 || !subtle) return true;
  const sum = new Uint8Array(await subtle.digest('SHA-256', bytes));
  return [...sum].map((byte) => byte.toString(16).padStart(2, '0')).join('') === sha256;
}
