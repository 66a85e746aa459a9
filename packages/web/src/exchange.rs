//! The functions that JavaScript calls, and those that it is called by.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::sync::Once;

use lorgnette::Progress;
use lorgnette_kernels::{lend_thread, lent_threads};

use crate::engine::{Answer, Engine, Failure};

thread_local! {
    /// All requests come from one thread.
    static EXCHANGE: RefCell<Exchange> = RefCell::default();
}

/// The state between two calls.
#[derive(Default)]
struct Exchange {
    engine: Engine,
    /// The request, then its files.
    inputs: Vec<Vec<u8>>,
    /// The answer or the error's text, then the answer's files.
    outputs: Vec<Vec<u8>>,
}

/// Adds an input of `length` bytes, zeros, and returns its address. The first is the request.
#[unsafe(no_mangle)]
pub extern "C" fn lorgnette_input(length: usize) -> *mut u8 {
    EXCHANGE.with_borrow_mut(|exchange| {
        exchange.inputs.push(vec![0; length]);
        exchange.inputs.last_mut().map_or(std::ptr::null_mut(), Vec::as_mut_ptr)
    })
}

/// Answers the request of the inputs, and frees them. Returns 1 if there is an answer, 0 if the
/// first output is an error's text.
#[unsafe(no_mangle)]
pub extern "C" fn lorgnette_run() -> u32 {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| std::panic::set_hook(Box::new(|info| host::panicked(&info.to_string()))));
    EXCHANGE.with_borrow_mut(|exchange| {
        let mut files = std::mem::take(&mut exchange.inputs).into_iter();
        let request = files.next().unwrap_or_default();
        let mut observer = |progress: &Progress| {
            host::progress(progress.done, progress.total);
            ControlFlow::Continue(())
        };
        let answer = exchange.engine.answer(&request, files.collect(), &mut observer);
        let (status, first, files) = match answer {
            Ok(Answer { json, files }) => (1, json, files),
            Err(Failure(message)) => (0, message, Vec::new()),
        };
        exchange.outputs = std::iter::once(first.into_bytes()).chain(files).collect();
        status
    })
}

/// Returns the number of outputs.
#[unsafe(no_mangle)]
pub extern "C" fn lorgnette_outputs() -> usize {
    EXCHANGE.with_borrow(|exchange| exchange.outputs.len())
}

/// Returns the address of an output; null if there is none of this number.
#[unsafe(no_mangle)]
pub extern "C" fn lorgnette_output(number: usize) -> *const u8 {
    EXCHANGE
        .with_borrow(|exchange| exchange.outputs.get(number).map_or(std::ptr::null(), Vec::as_ptr))
}

/// Returns the length of an output in bytes; 0 if there is none of this number.
#[unsafe(no_mangle)]
pub extern "C" fn lorgnette_output_length(number: usize) -> usize {
    EXCHANGE.with_borrow(|exchange| exchange.outputs.get(number).map_or(0, Vec::len))
}

/// Returns room for the stack and the variables of a thread that is to be lent, aligned to 16
/// bytes. It is never freed.
#[unsafe(no_mangle)]
pub extern "C" fn lorgnette_thread_memory(bytes: usize) -> *mut u8 {
    Box::leak(vec![0u128; bytes.div_ceil(16)].into_boxed_slice()).as_mut_ptr().cast()
}

/// Lends the calling thread to the engine, and never returns.
#[unsafe(no_mangle)]
pub extern "C" fn lorgnette_lend_thread() {
    lend_thread()
}

/// Returns the number of threads that were lent and are waiting.
#[unsafe(no_mangle)]
pub extern "C" fn lorgnette_lent_threads() -> usize {
    lent_threads()
}

/// Frees all inputs and outputs.
#[unsafe(no_mangle)]
pub extern "C" fn lorgnette_clear() {
    EXCHANGE.with_borrow_mut(|exchange| {
        exchange.inputs = Vec::new();
        exchange.outputs = Vec::new();
    });
}

/// The functions that JavaScript gives the module.
#[cfg(target_arch = "wasm32")]
mod host {
    #[link(wasm_import_module = "lorgnette")]
    unsafe extern "C" {
        #[link_name = "progress"]
        safe fn report_progress(done: usize, total: usize);
        #[link_name = "panicked"]
        fn report_panic(message: *const u8, length: usize);
    }

    /// Reports the progress of the call that runs.
    pub(super) fn progress(done: usize, total: usize) {
        report_progress(done, total);
    }

    /// Reports the message of a panic, after which the module ends.
    pub(super) fn panicked(message: &str) {
        // SAFETY: JavaScript reads the message's bytes and keeps a copy.
        unsafe { report_panic(message.as_ptr(), message.len()) };
    }
}

/// Elsewhere there is no JavaScript: the crate is compiled to be checked and tested.
#[cfg(not(target_arch = "wasm32"))]
mod host {
    pub(super) fn progress(_done: usize, _total: usize) {}

    pub(super) fn panicked(message: &str) {
        eprintln!("{message}");
    }
}
