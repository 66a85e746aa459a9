// Runs a WASI program, as Cargo's runner for tests of wasm32-wasip1: node wasi.js PROGRAM [WORD...]

import { readFile } from 'node:fs/promises';
import { argv, env, exit } from 'node:process';
import { WASI } from 'node:wasi';

const [, , program, ...words] = argv;
const wasi = new WASI({
  version: 'preview1', args: [program, ...words], env, preopens: { '/': '/' }, returnOnExit: true,
});
const module = await WebAssembly.compile(await readFile(program));
exit(wasi.start(await WebAssembly.instantiate(module, wasi.getImportObject())));
