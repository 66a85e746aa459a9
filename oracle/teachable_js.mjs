// Teachable Machine's export for TensorFlow.js, written by TensorFlow.js itself, and the answers of the
// arithmetic of its library (@teachablemachine/image: the central square, v / 127 - 1).
//
//     npm install @tensorflow/tfjs@4.22.0 && node oracle/teachable_js.mjs OUT_DIR
//
// Layers, nesting and file names are those of the site. `quantised` has the same model with weights of
// 8 and 16 bits and of half floats in two files, as tensorflowjs_converter writes them. The committed
// copy, crates/lorgnette/tests/teachable_js.tar.gz, is packed from the output by pack_fixture.py.
import fs from 'node:fs';
import path from 'node:path';
import zlib from 'node:zlib';
import { createRequire } from 'node:module';

const tf = createRequire(path.join(process.cwd(), 'x.js'))('@tensorflow/tfjs');
const SIDE = 224;
const LABELS = ['Class 1', 'Sunflowers in a field', 'Roses'];

/** A base of stride 32, pooled, and two fully connected layers, as the site's. */
function network() {
  const input = tf.input({ shape: [SIDE, SIDE, 3], name: 'input_1' });
  let x = tf.layers.conv2d({ filters: 8, kernelSize: 16, strides: 16, padding: 'same', useBias: false, name: 'Conv1' }).apply(input);
  x = tf.layers.batchNormalization({ name: 'bn_Conv1' }).apply(x);
  x = tf.layers.reLU({ maxValue: 6, name: 'Conv1_relu' }).apply(x);
  x = tf.layers.zeroPadding2d({ padding: [[0, 1], [0, 1]], name: 'pad' }).apply(x);
  x = tf.layers.depthwiseConv2d({ kernelSize: 3, strides: 2, padding: 'valid', useBias: false, name: 'expanded_conv_depthwise' }).apply(x);
  x = tf.layers.reLU({ maxValue: 6, name: 'out_relu' }).apply(x);
  const base = tf.model({ inputs: input, outputs: x, name: 'model1' });
  const features = tf.sequential({ name: 'sequential_1' });
  features.add(base);
  features.add(tf.layers.globalAveragePooling2d({ name: 'global_average_pooling2d_GlobalAveragePooling2D1' }));
  const head = tf.sequential({ name: 'sequential_3' });
  head.add(tf.layers.dense({ units: 10, activation: 'relu', inputShape: [8], name: 'dense_Dense1' }));
  head.add(tf.layers.dense({ units: 3, activation: 'softmax', useBias: false, name: 'dense_Dense2' }));
  const model = tf.sequential({ name: 'sequential_4' });
  model.add(features);
  model.add(head);
  let state = 7;
  const random = () => (state = (state * 1103515245 + 12345) % 2147483648) / 2147483648;
  model.setWeights(model.weights.map(weight => {
    const [low, high] = /variance|gamma/.test(weight.name) ? [0.5, 1.5] : [-0.3, 0.3];
    const times = /dense/.test(weight.name) ? 4 : 1;
    const size = weight.shape.reduce((a, b) => a * b, 1);
    return tf.tensor(Float32Array.from({ length: size }, () => times * (low + (high - low) * random())), weight.shape);
  }));
  return model;
}

/** A picture whose margins, which the library cuts off, have another colour than its middle. */
function picture(width, height) {
  const pixels = new Uint8Array(width * height * 3);
  const [left, top] = [(width - SIDE) / 2, (height - SIDE) / 2];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const [r, c] = [y - top, x - left];
      const inside = r >= 0 && r < SIDE && c >= 0 && c < SIDE;
      pixels.set(inside ? [c & 0xf8, r & 0xf8, (c + r) >> 4 << 3] : [0, 0, 255], 3 * (y * width + x));
    }
  }
  return pixels;
}

function chunk(kind, data) {
  const body = Buffer.concat([Buffer.from(kind), data]);
  const [length, crc] = [Buffer.alloc(4), Buffer.alloc(4)];
  length.writeUInt32BE(data.length);
  crc.writeUInt32BE(zlib.crc32(body));
  return Buffer.concat([length, body, crc]);
}

function png(pixels, width, height) {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 2, 0, 0, 0], 8);
  const rows = Array.from({ length: height }, (_, y) =>
    Buffer.concat([Buffer.from([0]), pixels.subarray(3 * y * width, 3 * (y + 1) * width)]));
  const data = zlib.deflateSync(Buffer.concat(rows), { level: 9 });
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', data), chunk('IEND', Buffer.alloc(0))]);
}

/** What the library feeds. */
function fed(pixels, width, height) {
  const all = tf.tensor(Array.from(pixels), [height, width, 3]);
  const square = all.slice([(height - SIDE) / 2, (width - SIDE) / 2, 0], [SIDE, SIDE, 3]);
  return square.expandDims(0).div(127).sub(1);
}

function write(folder, artifacts, paths, weights, parts) {
  fs.mkdirSync(folder, { recursive: true });
  const json = { modelTopology: artifacts.modelTopology, format: artifacts.format, weightsManifest: [{ paths, weights }] };
  fs.writeFileSync(path.join(folder, 'model.json'), JSON.stringify(json));
  parts.forEach((part, at) => fs.writeFileSync(path.join(folder, paths[at]), part));
  const metadata = { tfjsVersion: '1.3.1', tmVersion: '2.4.5', packageVersion: '0.8.4', packageName: '@teachablemachine/image',
    timeStamp: '2026-01-01T00:00:00.000Z', userMetadata: {}, modelName: 'tm-my-image-model', labels: LABELS, imageSize: SIDE };
  fs.writeFileSync(path.join(folder, 'metadata.json'), JSON.stringify(metadata));
}

/** Stores each weight in another way than the last, and returns the values that are then read. */
function quantised(artifacts) {
  const data = new Uint8Array(tf.io.CompositeArrayBuffer.join(artifacts.weightData));
  const [specs, parts, values] = [[], [], []];
  let at = 0;
  artifacts.weightSpecs.forEach((spec, index) => {
    const count = spec.shape.reduce((a, b) => a * b, 1);
    const own = new Float32Array(data.slice(at, at + 4 * count).buffer);
    at += 4 * count;
    const [min, max] = [Math.min(...own), Math.max(...own)];
    if (index % 2) {
      const levels = index % 4 === 1 ? 255 : 65535;
      const scale = (max - min) / levels || 1;
      const stored = (levels === 255 ? Uint8Array : Uint16Array).from(own, v => Math.round((v - min) / scale));
      specs.push({ ...spec, quantization: { dtype: levels === 255 ? 'uint8' : 'uint16', min, scale, original_dtype: 'float32' } });
      parts.push(Buffer.from(stored.buffer));
      values.push(tf.tensor(Float32Array.from(stored, v => v * scale + min), spec.shape));
    } else {
      specs.push(spec);
      parts.push(Buffer.from(own.buffer));
      values.push(tf.tensor(own, spec.shape));
    }
  });
  const all = Buffer.concat(parts);
  const half = all.length >> 1;
  return { specs, parts: [all.subarray(0, half), all.subarray(half)], values };
}

const out = process.argv[2];
fs.mkdirSync(path.join(out, 'pictures'), { recursive: true });
await tf.setBackend('cpu');
const model = network();
let artifacts;
await model.save(tf.io.withSaveHandler(async saved => { artifacts = saved; return { modelArtifactsInfo: {} }; }));
const whole = Buffer.from(tf.io.CompositeArrayBuffer.join(artifacts.weightData));
write(path.join(out, 'tfjs'), artifacts, ['./weights.bin'], artifacts.weightSpecs, [whole]);
const { specs, parts, values } = quantised(artifacts);
write(path.join(out, 'quantised'), artifacts, ['group1-shard1of2.bin', 'group1-shard2of2.bin'], specs, parts);
const answers = {};
for (const [kind, weights] of [['tfjs', null], ['quantised', values]]) {
  if (weights) {
    const named = new Map(artifacts.weightSpecs.map((spec, at) => [spec.name, weights[at]]));
    model.setWeights(model.weights.map(weight => named.get(weight.originalName ?? weight.name) ?? named.get(weight.name)));
  }
  answers[kind] = {};
  for (const [width, height] of [[300, 224], [224, 300]]) {
    const pixels = picture(width, height);
    const name = `${width}x${height}.png`;
    fs.writeFileSync(path.join(out, 'pictures', name), png(pixels, width, height));
    answers[kind][name] = Array.from(model.predict(fed(pixels, width, height)).dataSync());
  }
}
fs.writeFileSync(path.join(out, 'expected.json'), JSON.stringify({ labels: LABELS, answers }, null, 1) + '\n');
console.log(answers);
