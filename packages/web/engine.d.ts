export { LorgnetteError, EngineStopped } from './lorgnette.js';

/** The threads that are worth starting: one for each core, at most 8, where the page is cross-origin isolated. */
export function usefulThreads(): number;

/** The files of the modules that run here, the fastest first. */
export function moduleFiles(threads?: number): string[];

/** The WebAssembly module, called on this thread, as in Node or in a worker of one's own. */
export class Engine {
  /** Compiles the module from its bytes, a `Response`, or a promise of either. */
  static load(
    source: BufferSource | Response | WebAssembly.Module | Promise<BufferSource | Response | WebAssembly.Module>,
    options?: { threads?: number; onThreadError?: string },
  ): Promise<Engine>;
  /** Fulfilled as soon as the threads are there: await it after `EngineStopped`. */
  readonly ready: Promise<void>;
  /** Number of threads. */
  readonly threads: number;
  /** Ends the other threads. */
  close(): void;
  /** Bytes of memory that the module has. */
  readonly memory: number;
  /** Answers a request, an object with a `verb`: `packages/web/src/request.rs` describes them. */
  call(
    request: { verb: string; [option: string]: unknown },
    files?: (ArrayBuffer | ArrayBufferView)[],
    onProgress?: (done: number, total: number) => void,
  ): { answer: any; files: Uint8Array[] };
}
