export { LorgnetteError, EngineStopped } from './lorgnette.js';

/** The file of the module. */
export function moduleFile(): string;

/** The WebAssembly module, called on this thread, as in Node or in a worker of one's own. */
export class Engine {
  /** Compiles the module from its bytes, a `Response`, or a promise of either. */
  static load(
    source: BufferSource | Response | WebAssembly.Module | Promise<BufferSource | Response | WebAssembly.Module>,
  ): Promise<Engine>;
  /** Bytes of memory that the module has. */
  readonly memory: number;
  /** Answers a request, an object with a `verb`: `packages/web/src/request.rs` describes them. */
  call(
    request: { verb: string; [option: string]: unknown },
    files?: (ArrayBuffer | ArrayBufferView)[],
    onProgress?: (done: number, total: number) => void,
  ): { answer: any; files: Uint8Array[] };
}
