import type { Progress } from './lorgnette.js';

/** The bytes of a network differ from those that were promised. */
export class WrongNetwork extends Error {}

/** Fetches a file with progress and keeps it in the browser's cache, from where it comes the next time. */
export function fetchNetwork(
  url: string | URL,
  options?: { sha256?: string; onProgress?: (progress: Progress) => void; signal?: AbortSignal },
): Promise<Uint8Array>;
