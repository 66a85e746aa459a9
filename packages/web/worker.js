// The engine in a worker: requests come and answers go as messages.

import { Engine } from './engine.js';

let engine = null;

/** Loads the first of the modules that is there, or the one that is given. */
async function start({ wasm, threads, onThreadError }) {
  const [source, file] = Array.isArray(wasm) ? await fetched(wasm) : [wasm, null];
  engine = Engine.load(source, { threads, onThreadError });
  return { file, threads: (await engine).threads };
}

/** The first of the files that is there: offline, that may be another one than the fastest. */
async function fetched(files) {
  let failure;
  for (const file of files) {
    try {
      const response = await fetch(file);
      if (response.ok) return [response, file];
      failure = new Error(`${file}: ${response.status} ${response.statusText}`);
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

async function answer({ id, request, files }) {
  const onProgress = (done, total) => postMessage({ id, progress: { done, total } });
  const opened = await engine;
  await opened.ready;
  const answered = opened.call(request, files, onProgress);
  postMessage({ id, ...answered }, answered.files.map((file) => file.buffer));
}

addEventListener('message', async ({ data }) => {
  try {
    if (data.start) postMessage({ id: data.id, answer: await start(data.start), files: [] });
    else await answer(data);
  } catch (error) {
    postMessage({ id: data.id, error: { name: error.name, message: error.message } });
  }
});
