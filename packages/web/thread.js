// A thread of the engine: lends itself to the module, and then runs what the module gives it.

addEventListener('message', ({ data: { module, memory, stack, tls, onError } }) => {
  let panic = '';
  const lorgnette = {
    progress() {},
    panicked(address, length) {
      panic = new TextDecoder().decode(new Uint8Array(memory.buffer, address >>> 0, length >>> 0).slice());
    },
  };
  try {
    const { exports } = new WebAssembly.Instance(module, { env: { memory }, lorgnette });
    exports.__stack_pointer.value = stack;
    exports.__wasm_init_tls(tls);
    postMessage('ready');
    exports.lorgnette_lend_thread();
  } catch (error) {
    // The thread that started this one waits for it and sees no messages.
    if (onError) new BroadcastChannel(onError).postMessage(panic || error.message);
  }
}, { once: true });
