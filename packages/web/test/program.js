// The program `lorgnette`, whose answers the module's are compared with.

import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const here = fileURLToPath(new URL('..', import.meta.url));
export const root = join(here, '../..');
const program = process.env.LORGNETTE ?? join(root, 'target/release/lorgnette');
if (!existsSync(program)) throw new Error(`${program} is not there: build it, or name it in LORGNETTE`);

/** Photos of several formats: grey, progressive, transparent, turned by EXIF, of 16 bits. */
export const PHOTOS = [
  'photos/chelsea.jpg', 'photos/astronaut.jpg', 'photos/coffee.jpg', 'photos/rocket.jpg',
  ...[
    'alpha.webp', 'animated.gif', 'cmyk_adobe.jpg', 'grey.jpg', 'lossless.webp', 'one_pixel.jpg',
    'orientation_6.jpg', 'orientation_6.png', 'palette_8_bit.bmp', 'progressive_420.jpg', 'rgb_16_bit.png',
    'rgb_tiff_lzw.tiff', 'ycck.jpg',
  ].map((name) => `crates/lorgnette/tests/photos/${name}`),
];

/** Files that are no photos, or damaged ones. */
export const BAD_PHOTOS = ['arithmetic.jpg', 'empty.jpg', 'header_only.jpg', 'text.jpg', 'truncated.png', 'wrong_checksum.png']
  .map((name) => `crates/lorgnette/tests/photos/${name}`);

export const bytes = (path) => new Uint8Array(readFileSync(join(root, path)));

/** Runs the program and returns its standard output. */
export function run(...words) {
  return execFileSync(program, words, { cwd: root, encoding: 'utf8', maxBuffer: 1 << 28, stdio: ['ignore', 'pipe', 'pipe'] });
}

/** The program's answer about one photo. */
export const ask = (verb, photo, ...options) => JSON.parse(run(verb, photo, ...options, '--format', 'json'));

/** The program's error about one photo. */
export function refusal(photo) {
  const { stdout } = spawnSync(program, ['classify', photo, '--format', 'json'], { cwd: root, encoding: 'utf8' });
  return JSON.parse(stdout).error;
}

/** A folder for the files of a test. */
export function scratch() {
  const work = process.env.LORGNETTE_CI_WORK ?? tmpdir();
  mkdirSync(work, { recursive: true });
  return mkdtempSync(join(work, 'web-'));
}

/** Trains a model of red and of blue things in `folder`; returns the model's folder. */
export function train(folder) {
  const classes = { 'red things': [190, 20, 20], 'blue things': [20, 20, 190] };
  for (const [name, colour] of Object.entries(classes)) {
    mkdirSync(join(folder, 'photos', name), { recursive: true });
    for (let number = 0; number < 14; number++) {
      writeFileSync(join(folder, 'photos', name, `${number}.bmp`), bitmap(colour, number));
    }
  }
  const model = join(folder, 'colours');
  run('train', join(folder, 'photos'), '--out', model, '--cache', join(folder, 'cache'));
  return model;
}

/** A bitmap of 40 by 30 pixels of about one colour, unlike those of other numbers. */
export function bitmap([red, green, blue], number) {
  const [width, height] = [40, 30];
  const file = Buffer.alloc(54 + 3 * width * height);
  file.write('BM');
  file.writeUInt32LE(file.length, 2);
  file.writeUInt32LE(54, 10);
  file.writeUInt32LE(40, 14);
  file.writeInt32LE(width, 18);
  file.writeInt32LE(height, 22);
  file.writeUInt16LE(1, 26);
  file.writeUInt16LE(24, 28);
  for (let i = 0; i < 3 * width * height; i++) {
    file[54 + i] = ([blue, green, red][i % 3] + (i * (2 * number + 1)) % 251 / 10) & 255;
  }
  return file;
}

/**
 * Compares two answers: numbers to 1e-5, a logit to 1e-5 of 10, everything else exactly. Returns the
 * largest difference.
 */
export function compare(actual, expected, path = '') {
  if (typeof expected === 'number' && typeof actual === 'number') {
    const difference = Math.abs(actual - expected);
    const allowed = path.endsWith('.logit') ? 1e-4 : 1e-5;
    if (!(difference <= allowed)) throw new Error(`${path}: ${actual}, not ${expected}`);
    return difference;
  }
  if (expected !== null && actual !== null && typeof expected === 'object' && typeof actual === 'object') {
    const keys = Object.keys(expected);
    if (String(Object.keys(actual)) !== String(keys)) {
      throw new Error(`${path}: ${Object.keys(actual)}, not ${keys}`);
    }
    return Math.max(0, ...keys.map((key) => compare(actual[key], expected[key], `${path}.${key}`)));
  }
  if (actual !== expected) throw new Error(`${path}: ${actual}, not ${expected}`);
  return 0;
}
