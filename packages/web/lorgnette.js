// Photos and answers, computed in a worker. `lorgnette.d.ts` describes everything.

import { EngineStopped, LorgnetteError, moduleFiles, usefulThreads } from './engine.js';

export { EngineStopped, LorgnetteError };

const ERRORS = { LorgnetteError, EngineStopped };

export class Lorgnette {
  #worker = null;
  #address;
  #start;
  /** Fulfilled when the worker has the module. */
  #started = null;
  #threadErrors;
  #waiting = new Map();
  #last = 0;
  #isClosed = false;

  /** Use `Lorgnette.start`. */
  constructor(address, start) {
    this.#address = address;
    this.#start = { ...start, onThreadError: `lorgnette ${Math.random()}` };
    this.#threadErrors = new BroadcastChannel(this.#start.onThreadError);
    this.#threadErrors.addEventListener('message', ({ data }) => this.#startAgain(data));
    this.#startWorker();
  }

  static async start({ wasm, worker, threads = usefulThreads() } = {}) {
    const files = moduleFiles(threads).map((file) => String(new URL(`./${file}`, import.meta.url)));
    const module = wasm instanceof WebAssembly.Module ? wasm : wasm ? [String(wasm)] : files;
    const lorgnette = new Lorgnette(worker ?? new URL('./worker.js', import.meta.url), { wasm: module, threads });
    const { answer } = await lorgnette.#started;
    /** Number of threads. */
    lorgnette.threads = answer.threads;
    /** The address of the module, if it was fetched. */
    lorgnette.module = answer.file;
    return lorgnette;
  }

  #startWorker() {
    const worker = new Worker(this.#address, { type: 'module', name: 'lorgnette' });
    worker.addEventListener('message', ({ data }) => this.#receive(data));
    worker.addEventListener('error', (event) => {
      this.#fail(new Error(event.message || 'the worker cannot be started'));
    });
    this.#worker = worker;
    this.#started = this.#post({ start: this.#start });
    // An error is seen by `start`; after a restart, by the next request.
    this.#started.catch(() => {});
  }

  /** A thread ended: the worker waits for it in vain. */
  #startAgain(what) {
    this.#worker.terminate();
    this.#fail(new EngineStopped(`the engine stopped: ${what}`));
    this.#startWorker();
  }

  /** Ends the worker. Requests that are not answered fail. */
  close() {
    this.#isClosed = true;
    this.#threadErrors.close();
    this.#worker.terminate();
    this.#fail(new Error('the engine was closed'));
  }

  async openModel(file, { name, onProgress, ...options } = {}) {
    const bytes = await bytesOf(file);
    const request = { verb: 'open_model', name: name ?? nameOf(file, 'model.pb'), ...options };
    const { answer } = await this.#post({ request, files: [bytes] }, [bytes.buffer], onProgress);
    return new Model(this, answer);
  }

  async openTrained(files, base, { name } = {}) {
    const parts = await Promise.all([...files].map(bytesOf));
    const folder = name ?? folderOf(files[0]);
    const names = [...files].map((file) => nameOf(file, ''));
    const request = { verb: 'open_trained', name: folder, base: base.id, files: names };
    const { answer } = await this.#post({ request, files: parts }, parts.map((part) => part.buffer));
    return new Model(this, answer);
  }

  async openFaces(file, { name } = {}) {
    const bytes = await bytesOf(file);
    const request = { verb: 'open_faces', name: name ?? nameOf(file, 'centerface.onnx') };
    await this.#post({ request, files: [bytes] }, [bytes.buffer]);
  }

  async faces(photo, { minProbability, name, onProgress } = {}) {
    const request = { verb: 'faces', photo: name ?? nameOf(photo, 'photo'), min_probability: minProbability };
    return (await this.ask(request, photo, onProgress)).answer;
  }

  /** Sends a request about one photo. */
  async ask(request, photo, onProgress) {
    const bytes = await bytesOf(photo);
    return this.#post({ request, files: [bytes] }, [bytes.buffer], onProgress);
  }

  /** Sends a request without files. */
  async askAbout(request) {
    return (await this.#post({ request, files: [] })).answer;
  }

  #post(message, transfer = [], onProgress = null) {
    if (this.#isClosed) return Promise.reject(new Error('the engine was closed'));
    const id = ++this.#last;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject, onProgress });
      this.#worker.postMessage({ id, ...message }, transfer);
    });
  }

  #receive({ id, progress, error, answer, files }) {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    if (progress) {
      waiting.onProgress?.(progress);
      return;
    }
    this.#waiting.delete(id);
    if (error) waiting.reject(new (ERRORS[error.name] ?? Error)(error.message));
    else waiting.resolve({ answer, files });
  }

  #fail(error) {
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }
}

export class Model {
  #lorgnette;

  /** Use `Lorgnette.openModel` or `Lorgnette.openTrained`. */
  constructor(lorgnette, opened) {
    this.#lorgnette = lorgnette;
    this.id = opened.id;
    this.name = opened.model;
    this.height = opened.height;
    this.width = opened.width;
    this.preprocessing = opened.preprocessing;
    this.classCount = opened.classes;
    this.rejectionThreshold = opened.rejection_threshold ?? null;
    this.notes = opened.notes;
  }

  async classes() {
    return this.#lorgnette.askAbout({ verb: 'classes', model: this.id });
  }

  async close() {
    await this.#lorgnette.askAbout({ verb: 'close', model: this.id });
  }

  async classify(photo, { top = 5, name } = {}) {
    const request = { verb: 'classify', top };
    return (await this.#about(request, photo, name)).answer;
  }

  async embed(photo, { endPoint, name } = {}) {
    const request = { verb: 'embed', end_point: endPoint };
    return (await this.#about(request, photo, name)).answer;
  }

  async run(values, { shape, feed, fetch } = {}) {
    const request = { verb: 'run', model: this.id, shape, feed, fetch };
    const { answer, files } = await this.#lorgnette.ask(request, values);
    return { shape: answer, values: new Float32Array(files[0].buffer) };
  }

  async map(photo, { overlay = false, minCells, minProbability, name, onProgress, ...map } = {}) {
    const request = {
      verb: 'map', overlay, min_cells: minCells, min_probability: minProbability, map: mapSettings(map),
    };
    const { answer, files } = await this.#about(request, photo, name, onProgress);
    return overlay ? { ...answer, overlay: new Blob([files[0]], { type: 'image/png' }) } : answer;
  }

  async blur(photo, { classes = [], faces = false, map = {}, name, onProgress, ...blur } = {}) {
    const { how, colour, minProbability, margin, feather, block } = blur;
    const settings = { how, colour, min_probability: minProbability, margin, feather, block };
    const request = { verb: 'blur', classes, faces, map: mapSettings(map), blur: settings };
    const { answer, files } = await this.#about(request, photo, name, onProgress);
    return { ...answer, picture: new Blob([files[0]], { type: typeOf(files[0]) }) };
  }

  #about(request, photo, name, onProgress) {
    const about = { ...request, model: this.id, photo: name ?? nameOf(photo, 'photo') };
    return this.#lorgnette.ask(about, photo, onProgress);
  }
}

function mapSettings({ padding = 'same', outputStride, scales, tile, unknownBelow }) {
  const valid = padding === 'valid';
  return { valid, output_stride: outputStride, scales, tile, unknown_below: unknownBelow };
}

/** JPEG unless the bytes begin as a PNG. */
function typeOf(bytes) {
  return bytes[0] === 0x89 ? 'image/png' : 'image/jpeg';
}

/** A copy of the bytes, which can be given to the worker. */
async function bytesOf(file) {
  if (file instanceof Blob) return new Uint8Array(await file.arrayBuffer());
  if (ArrayBuffer.isView(file)) {
    return new Uint8Array(file.buffer, file.byteOffset, file.byteLength).slice();
  }
  if (file instanceof ArrayBuffer) return new Uint8Array(file.slice(0));
  throw new TypeError('a file is a Blob, an ArrayBuffer or a view of one');
}

function nameOf(file, otherwise) {
  return typeof File !== 'undefined' && file instanceof File ? file.name : otherwise;
}

/** The folder of a file that was chosen or dropped with its folder. */
function folderOf(file) {
  const path = file?.webkitRelativePath ?? '';
  return path.includes('/') ? path.split('/').at(-2) : 'the trained model';
}
