// The WebAssembly module, called on this thread. `lorgnette.js` has the same in a worker.

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A request that failed: a bad photo, a bad model, an unknown class. The engine goes on. */
export class LorgnetteError extends Error {
  name = 'LorgnetteError';
}

/** The engine stopped in the middle of a request, as where memory ran out. Open models are lost. */
export class EngineStopped extends Error {
  name = 'EngineStopped';
}

/** The file of the module. */
export const moduleFile = () => 'lorgnette.wasm';

export class Engine {
  #module;
  #exports = null;
  #panic = '';
  #onProgress = null;

  /** Use `Engine.load`. */
  constructor(module) {
    this.#module = module;
    this.#start();
  }

  /**
   * Compiles the module.
   * @param source its bytes, a `Response`, a promise of one, or a compiled `WebAssembly.Module`
   */
  static async load(source) {
    const given = await source;
    if (given instanceof WebAssembly.Module) return new Engine(given);
    if (typeof Response !== 'undefined' && given instanceof Response) {
      if (!given.ok) throw new Error(`${given.url}: ${given.status} ${given.statusText}`);
      // A server that does not call the file application/wasm prevents compiling while it loads.
      const streams = given.headers.get('content-type') === 'application/wasm';
      return new Engine(streams ? await WebAssembly.compileStreaming(given)
        : await WebAssembly.compile(await given.arrayBuffer()));
    }
    return new Engine(await WebAssembly.compile(given));
  }

  #start() {
    const imports = {
      progress: (done, total) => this.#onProgress?.(done >>> 0, total >>> 0),
      panicked: (address, length) => { this.#panic = decoder.decode(this.#bytes(address, length)); },
    };
    this.#exports = new WebAssembly.Instance(this.#module, { lorgnette: imports }).exports;
  }

  /** A view of the module's memory, valid until the module runs again. */
  #bytes(address, length) {
    return new Uint8Array(this.#exports.memory.buffer, address >>> 0, length >>> 0);
  }

  #write(bytes) {
    const address = this.#exports.lorgnette_input(bytes.byteLength);
    this.#bytes(address, bytes.byteLength).set(bytes);
  }

  #read(number) {
    const address = this.#exports.lorgnette_output(number);
    return this.#bytes(address, this.#exports.lorgnette_output_length(number));
  }

  /** Bytes of memory that the module has. They never become fewer until it is started again. */
  get memory() {
    return this.#exports.memory.buffer.byteLength;
  }

  /**
   * Answers a request.
   * @param request an object with a `verb`; `src/request.rs` has them all
   * @param files bytes of the request's files
   * @param onProgress called with the finished and all parts of the work
   */
  call(request, files = [], onProgress = null) {
    const json = encoder.encode(JSON.stringify(request));
    this.#onProgress = onProgress;
    try {
      this.#write(json);
      for (const file of files) this.#write(bytesOf(file));
      const isAnswer = this.#exports.lorgnette_run() === 1;
      const text = decoder.decode(this.#read(0));
      if (!isAnswer) throw new LorgnetteError(text);
      const count = this.#exports.lorgnette_outputs();
      const outputs = Array.from({ length: count - 1 }, (_, at) => this.#read(at + 1).slice());
      return { answer: JSON.parse(text), files: outputs };
    } catch (error) {
      if (error instanceof LorgnetteError) throw error;
      throw this.#stopped(error);
    } finally {
      this.#onProgress = null;
      this.#exports.lorgnette_clear();
    }
  }

  /** Starts the module again after a trap, with new memory. */
  #stopped(cause) {
    const what = this.#panic || cause.message;
    this.#panic = '';
    this.#start();
    return new EngineStopped(`the engine stopped: ${what}`, { cause });
  }
}

function bytesOf(file) {
  if (file instanceof Uint8Array) return file;
  if (ArrayBuffer.isView(file)) return new Uint8Array(file.buffer, file.byteOffset, file.byteLength);
  return new Uint8Array(file);
}
