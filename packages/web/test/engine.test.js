// The module in Node, beside the program.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Engine, EngineStopped, LorgnetteError } from '../engine.js';
import { ask, BAD_PHOTOS, bitmap, bytes, compare, here, PHOTOS, refusal, run, scratch, train } from './program.js';

const NETWORK = 'crates/lorgnette/models/mobilenet_v1_1.0_224.pb';
const FACES = 'crates/lorgnette/models/centerface.onnx';
const folder = scratch();
let engine;
let model;

const openNetwork = () => {
  const request = { verb: 'open_model', name: 'mobilenet_v1_1.0_224.pb' };
  return engine.call(request, [bytes(NETWORK)]).answer;
};

before(async () => {
  engine = await Engine.load(readFileSync(join(here, 'lorgnette.wasm')));
  const opened = openNetwork();
  assert.deepEqual({ ...opened, id: 0 }, {
    id: 0, model: 'mobilenet_v1_1.0_224', height: 224, width: 224, preprocessing: 'inception', classes: 1001, notes: [],
  });
  model = opened.id;
  engine.call({ verb: 'open_faces', name: 'centerface.onnx' }, [bytes(FACES)]);
});
after(() => rmSync(folder, { recursive: true }));

test('photos of all formats have the program’s classes', (t) => {
  let largest = 0;
  for (const photo of PHOTOS) {
    const { answer } = engine.call({ verb: 'classify', model, photo, top: 5 }, [bytes(photo)]);
    largest = Math.max(largest, compare(answer, ask('classify', photo)));
  }
  t.diagnostic(`${PHOTOS.length} photos; the largest difference is ${largest.toExponential(1)}`);
});

test('features are the program’s', () => {
  const photo = 'photos/rocket.jpg';
  const { answer } = engine.call({ verb: 'embed', model, photo }, [bytes(photo)]);
  const expected = ask('embed', photo);
  const scale = Math.max(...expected.embedding.map(Math.abs));
  for (const one of [answer, expected]) one.embedding = one.embedding.map((value) => value / scale);
  compare(answer, expected);
});

test('maps are the program’s', () => {
  for (const [photo, map, options] of [
    ['photos/chelsea.jpg', {}, []],
    ['photos/coffee.jpg', { output_stride: 16, scales: [1] }, ['--output-stride', '16', '--scale', '1']],
    ['photos/rocket.jpg', { valid: true, scales: [0.5, 1] }, ['--padding', 'valid', '--scale', '0.5,1']],
  ]) {
    const progress = [];
    const onProgress = (done, total) => progress.push([done, total]);
    const { answer, files } = engine.call({ verb: 'map', model, photo, map, overlay: true }, [bytes(photo)], onProgress);
    compare(answer, ask('map', photo, ...options));
    assert.ok(progress.length >= 2 && progress.at(-1)[1] > 0, `${progress}`);
    assert.equal(Buffer.from(files[0].slice(1, 4)).toString(), 'PNG');
  }
});

test('faces are the program’s', () => {
  for (const photo of ['photos/astronaut.jpg', 'crates/lorgnette/tests/faces/scene.jpg']) {
    const { answer } = engine.call({ verb: 'faces', photo }, [bytes(photo)]);
    const expected = ask('faces', photo);
    assert.ok(expected.faces.length > 0);
    // Coordinates are in pixels: shares of the photo's width are compared.
    for (const one of [answer, expected]) {
      for (const face of one.faces) {
        face.box = face.box.map((side) => side / one.width);
        face.landmarks = face.landmarks.flat().map((side) => side / one.width);
      }
    }
    compare(answer, expected);
  }
});

test('blurred photos are the program’s', () => {
  for (const [photo, request, options] of [
    ['photos/astronaut.jpg', { faces: true }, ['--faces']],
    ['photos/chelsea.jpg', { classes: ['cat'], blur: { how: 'fill', colour: [1, 2, 3] } }, ['--class', 'cat', '--how', 'fill', '--colour', '010203']],
    ['photos/coffee.jpg', { classes: ['espresso', 'face'] }, ['--class', 'espresso', '--class', 'face']],
  ]) {
    const out = join(folder, 'blurred.jpg');
    const { answer, files } = engine.call({ verb: 'blur', model, photo, ...request }, [bytes(photo)]);
    const expected = ask('blur', photo, ...options, '--out', out);
    assert.equal(expected.out, out);
    compare(answer, { ...expected, out: null });
    assert.ok(Buffer.from(files[0]).equals(readFileSync(out)), `${photo}: the blurred files differ`);
  }
});

test('a trained model beside its photos', () => {
  const trained = train(folder);
  const names = readdirSync(trained).filter((name) => /\.(json|npy|txt|csv)$/.test(name));
  const files = names.map((name) => readFileSync(join(trained, name)));
  const opened = engine.call({ verb: 'open_trained', name: 'colours', base: model, files: names }, files).answer;
  assert.deepEqual(engine.call({ verb: 'classes', model: opened.id }).answer, ['blue things', 'red things']);
  const photo = join(folder, 'new.bmp');
  writeFileSync(photo, bitmap([170, 40, 30], 99));
  const { answer } = engine.call({ verb: 'classify', model: opened.id, photo, top: 2 }, [readFileSync(photo)]);
  compare(answer, ask('classify', photo, '--model', trained));
  assert.equal(answer.predictions[0].name, 'red things');

  const without = names.filter((name) => name !== 'weights.npy');
  assert.throws(
    () => engine.call({ verb: 'open_trained', name: 'colours', base: model, files: without }, without.map(() => files[names.indexOf('model.json')])),
    /weights\.npy.*missing/,
  );
  // Its export is a model of its own, with its classes.
  const onnx = join(folder, 'colours.onnx');
  run('export', trained, '--to', 'onnx', '--out', onnx);
  const alone = engine.call({ verb: 'open_model', name: 'colours.onnx' }, [readFileSync(onnx)]).answer;
  const exported = engine.call({ verb: 'classify', model: alone.id, photo, top: 2 }, [readFileSync(photo)]).answer;
  compare(exported, ask('classify', photo, '--model', onnx));
  for (const { id } of [opened, alone]) engine.call({ verb: 'close', model: id });
  assert.throws(() => engine.call({ verb: 'classes', model: alone.id }), /no model of number/);
});

test('the package has all that it imports', async () => {
  const [{ files }] = JSON.parse(execFileSync('npm', ['pack', '--dry-run', '--json'], { cwd: here, encoding: 'utf8' }));
  const packed = new Set(files.map(({ path }) => path));
  const { exports } = JSON.parse(readFileSync(join(here, 'package.json')));
  for (const entry of Object.values(exports).flatMap((entry) => Object.values(typeof entry === 'string' ? [entry] : entry))) {
    assert.ok(packed.has(entry.slice(2)), `${entry} is exported and not packed`);
  }
  for (const file of [...packed].filter((path) => /^[a-z]+(\.d)?\.[jt]s$/.test(path))) {
    const text = readFileSync(join(here, file), 'utf8');
    for (const [, imported] of text.matchAll(/(?:from|new URL\() ?'\.\/([^'$]+)'/g)) {
      assert.ok(packed.has(imported), `${file} needs ${imported}, which is not packed`);
    }
  }
});

test('bad files are refused in the program’s words', () => {
  for (const photo of BAD_PHOTOS) {
    const look = () => engine.call({ verb: 'classify', model, photo, top: 5 }, [bytes(photo)]);
    assert.throws(look, (error) => error instanceof LorgnetteError && error.message === refusal(photo), photo);
  }
  const open = (content, name) => () => engine.call({ verb: 'open_model', name }, [content]);
  assert.throws(open(bytes('README.md'), 'README.pb'), LorgnetteError);
  assert.throws(open(bytes(NETWORK).slice(0, 1_000_000), 'half.pb'), LorgnetteError);
  assert.throws(open(new Uint8Array(0), 'empty.pb'), LorgnetteError);
  const photo = 'photos/coffee.jpg';
  const blur = (request) => () => engine.call({ verb: 'blur', model, photo, ...request }, [bytes(photo)]);
  assert.throws(blur({ classes: ['people'] }), /faces/);
  assert.throws(blur({ classes: ['flying saucer'] }), LorgnetteError);
  assert.throws(blur({}), /name a class/);
  assert.throws(blur({ faces: true, blur: { how: 'away' } }), /away/);
  assert.throws(() => engine.call({ verb: 'classify', model, photo }, [bytes(photo)]), /top/);
  assert.throws(() => engine.call({ verb: 'dance' }), /dance/);
  assert.throws(() => engine.call({ verb: 'classify', model, photo, top: 1 }), /one file/);
});

test('memory stays bounded over many photos, and a stopped engine starts again', async () => {
  const photo = 'photos/rocket.jpg';
  const file = bytes(photo);
  const classify = () => engine.call({ verb: 'classify', model, photo, top: 1 }, [file]).answer;
  const first = classify();
  for (let i = 0; i < 5; i++) classify();
  const before = engine.memory;
  for (let i = 0; i < 20; i++) assert.deepEqual(classify(), first);
  assert.equal(engine.memory, before);
  const deep = JSON.parse('['.repeat(1000) + ']'.repeat(1000));
  assert.throws(() => engine.call({ verb: 'classify', model, photo, top: 1, deep }, [file]), LorgnetteError);
  // A file that says it is longer than all memory.
  const huge = new Uint8Array(0);
  Object.defineProperty(huge, 'byteLength', { value: 2 ** 32 - 1 });
  assert.throws(() => engine.call({ verb: 'classify', model, photo, top: 1 }, [huge]), EngineStopped);
  assert.throws(classify, /no model of number/);
  model = openNetwork().id;
  assert.deepEqual(classify(), first);
});
