// The forward pass of one network in three engines, in turns: Lorgnette's in its worker, the others' on this page's
// thread, and the engines' own threads.

import { Lorgnette } from '/lorgnette/lorgnette.js';

const SHAPE = [1, 224, 224, 3];
const INPUT = Float32Array.from({ length: 224 * 224 * 3 }, (_, i) => Math.sin(i * 12.9898) * Math.cos(i * 0.078233));
const file = async (path) => new Uint8Array(await (await fetch(path)).arrayBuffer());

const engines = {
  async lorgnette(threads) {
    const lorgnette = await Lorgnette.start({ threads });
    const network = await file('/lorgnette/site/networks/mobilenet_v1_1.0_224.pb');
    const { id } = await lorgnette.openModel(network, { name: 'mobilenet_v1_1.0_224.pb' });
    window.lorgnette = lorgnette;
    return async () => new Float32Array((await lorgnette.ask({ verb: 'run', model: id }, INPUT)).files[0].buffer);
  },
  async onnxruntime(threads) {
    const ort = await import('/peers/onnxruntime-web/dist/ort.wasm.min.mjs');
    ort.env.wasm.numThreads = threads;
    ort.env.wasm.wasmPaths = '/peers/onnxruntime-web/dist/';
    const session = await ort.InferenceSession.create('/work/mobilenet_v1.onnx', { executionProviders: ['wasm'], graphOptimizationLevel: 'all' });
    const channels = new Float32Array(INPUT.length);
    for (let c = 0; c < 3; c++) for (let i = 0; i < 224 * 224; i++) channels[c * 224 * 224 + i] = INPUT[3 * i + c];
    const input = new ort.Tensor('float32', channels, [1, 3, 224, 224]);
    return async () => {
      const output = await session.run({ [session.inputNames[0]]: input });
      return output[session.outputNames[0]].data;
    };
  },
  async tfjs(threads) {
    tf.wasm.setWasmPaths('/peers/@tensorflow/tfjs-backend-wasm/dist/');
    tf.wasm.setThreadsCount(threads);
    await tf.setBackend('wasm');
    await tf.ready();
    const model = await tf.loadGraphModel('/work/tfjs/model.json');
    const input = tf.tensor(INPUT, SHAPE);
    return async () => {
      const output = model.execute(input);
      const values = await output.data();
      output.dispose();
      return values;
    };
  },
};

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

let runs = {};

/** Starts all engines with a number of threads, and checks that they compute the same; returns their differences. */
window.prepare = async (threads) => {
  for (const [name, make] of Object.entries(engines)) runs[name] = await make(threads);
  const expected = await runs.lorgnette();
  const error = {};
  for (const [name, run] of Object.entries(runs)) {
    const values = await run();
    error[name] = Math.max(...expected.map((value, i) => Math.abs(value - values[i])));
    if (!(error[name] < 1e-4)) throw new Error(`${name} computes something else: ${error[name]}`);
  }
  const { module, threads: own } = window.lorgnette;
  return { isolated: crossOriginIsolated, module: module.split('/').pop(), own, error };
};

/** Runs an engine for some seconds; returns the median and the least time in milliseconds, and how often it ran. */
window.turn = async (name, seconds) => {
  const took = [];
  const end = performance.now() + 1000 * seconds;
  while (performance.now() < end) {
    const started = performance.now();
    await runs[name]();
    took.push(performance.now() - started);
  }
  return { median: median(took), least: Math.min(...took), count: took.length };
};
window.isReady = true;
