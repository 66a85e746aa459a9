// The engine in a worker: requests come and answers go as messages.

import { Engine } from './engine.js';

let engine = null;

async function start(wasm) {
  engine = Engine.load(wasm instanceof WebAssembly.Module ? wasm : fetch(wasm));
  await engine;
}

async function answer({ id, request, files }) {
  const onProgress = (done, total) => postMessage({ id, progress: { done, total } });
  const answered = (await engine).call(request, files, onProgress);
  postMessage({ id, ...answered }, answered.files.map((file) => file.buffer));
}

addEventListener('message', async ({ data }) => {
  try {
    if (data.wasm) {
      await start(data.wasm);
      postMessage({ id: data.id, answer: null, files: [] });
    } else {
      await answer(data);
    }
  } catch (error) {
    postMessage({ id: data.id, error: { name: error.name, message: error.message } });
  }
});
