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

/** A module of one function, which multiplies and adds with one rounding (relaxed SIMD). */
const RELAXED = Uint8Array.of(
  0, 97, 115, 109, 1, 0, 0, 0, 1, 8, 1, 96, 3, 123, 123, 123, 1, 123, 3, 2, 1, 0,
  10, 13, 1, 11, 0, 32, 0, 32, 1, 32, 2, 253, 133, 2, 11,
);
/** Pages of shared memory at first, as `build.sh` links the module that takes it. */
const INITIAL_PAGES = 512;
/** Maximum pages of it: 4 GiB, or 1 GiB where a telephone has no more addresses. */
const MAX_PAGES = [65536, 16384];
/** Bytes of a lent thread's stack. */
const STACK = 1 << 20;
const MAX_THREADS = 8;

/** The threads that are worth starting: one for each core where the page may share memory with workers. */
export const usefulThreads = () => (
  globalThis.crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, MAX_THREADS) : 1
);

/** The files of the modules that run here, the fastest first. */
export function moduleFiles(threads = usefulThreads()) {
  if (!WebAssembly.validate(RELAXED)) return ['lorgnette.wasm'];
  return [...(threads > 1 ? ['lorgnette-threads.wasm'] : []), 'lorgnette-relaxed.wasm', 'lorgnette.wasm'];
}

export class Engine {
  #module;
  #threads;
  #onThreadError;
  #workers = [];
  #exports = null;
  #memory = null;
  #panic = '';
  #onProgress = null;

  /** Use `Engine.load`. */
  constructor(module, { threads = 1, onThreadError = null } = {}) {
    this.#module = module;
    const takesMemory = WebAssembly.Module.imports(module).some(({ kind }) => kind === 'memory');
    this.#threads = takesMemory ? threads : 1;
    this.#onThreadError = onThreadError;
    this.#start(takesMemory);
  }

  /**
   * Compiles the module.
   * @param source its bytes, a `Response`, a promise of one, or a compiled `WebAssembly.Module`
   * @param options.threads number of threads, of a module that shares its memory
   * @param options.onThreadError the name of a `BroadcastChannel` for the error that ends a thread
   */
  static async load(source, options) {
    const engine = new Engine(await compiled(await source), options);
    await engine.ready;
    return engine;
  }

  #start(takesMemory) {
    this.close();
    const memory = takesMemory ? sharedMemory() : undefined;
    const imports = {
      progress: (done, total) => this.#onProgress?.(done >>> 0, total >>> 0),
      panicked: (address, length) => { this.#panic = this.#text(this.#bytes(address, length)); },
    };
    this.#exports = new WebAssembly.Instance(this.#module, { lorgnette: imports, env: { memory } }).exports;
    this.#memory = memory ?? this.#exports.memory;
    /** Fulfilled as soon as the threads are there. Requests before that are answered by one. */
    this.ready = this.#lendThreads();
  }

  /** Starts the other threads, and waits until the module has them. */
  async #lendThreads() {
    const exports = this.#exports;
    const others = this.#threads - 1;
    await Promise.all(Array.from({ length: others }, () => this.#lendThread()));
    while (exports === this.#exports && others > 0 && exports.lorgnette_lent_threads() < others) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  #lendThread() {
    const { lorgnette_thread_memory: room, __tls_size: size, __tls_align: align } = this.#exports;
    const alignment = Math.max(align.value, 1);
    const tls = room(size.value + alignment) >>> 0;
    const worker = new Worker(new URL('./thread.js', import.meta.url), { type: 'module', name: 'lorgnette thread' });
    this.#workers.push(worker);
    worker.postMessage({
      module: this.#module,
      memory: this.#memory,
      stack: (room(STACK) >>> 0) + STACK,
      tls: Math.ceil(tls / alignment) * alignment,
      onError: this.#onThreadError,
    });
    return new Promise((resolve, reject) => {
      worker.addEventListener('message', resolve, { once: true });
      worker.addEventListener('error', (event) => reject(new Error(event.message || 'a thread cannot be started')));
    });
  }

  /** Ends the other threads. */
  close() {
    for (const worker of this.#workers) worker.terminate();
    this.#workers = [];
  }

  /** Number of threads. */
  get threads() {
    return this.#threads;
  }

  /** A view of the module's memory, valid until the module runs again. */
  #bytes(address, length) {
    return new Uint8Array(this.#memory.buffer, address >>> 0, length >>> 0);
  }

  /** Text; shared memory is not decoded in place. */
  #text(bytes) {
    return decoder.decode(bytes.buffer instanceof ArrayBuffer ? bytes : bytes.slice());
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
    return this.#memory.buffer.byteLength;
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
      const text = this.#text(this.#read(0));
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
    this.#start(!this.#exports.memory);
    return new EngineStopped(`the engine stopped: ${what}`, { cause });
  }
}

function sharedMemory() {
  const create = (maximum) => new WebAssembly.Memory({ initial: INITIAL_PAGES, maximum, shared: true });
  try {
    return create(MAX_PAGES[0]);
  } catch {
    return create(MAX_PAGES[1]);
  }
}

async function compiled(source) {
  if (source instanceof WebAssembly.Module) return source;
  if (typeof Response === 'undefined' || !(source instanceof Response)) return WebAssembly.compile(source);
  if (!source.ok) throw new Error(`${source.url}: ${source.status} ${source.statusText}`);
  // A server that does not call the file application/wasm prevents compiling while it loads.
  const streams = source.headers.get('content-type') === 'application/wasm';
  return streams ? WebAssembly.compileStreaming(source) : WebAssembly.compile(await source.arrayBuffer());
}

function bytesOf(file) {
  if (file instanceof Uint8Array) return file;
  if (ArrayBuffer.isView(file)) return new Uint8Array(file.buffer, file.byteOffset, file.byteLength);
  return new Uint8Array(file);
}
