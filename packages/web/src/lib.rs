//! The engine of the npm package `lorgnette-web`: requests and answers over WebAssembly's memory.
//!
//! ```text
//! JavaScript                          this module
//! lorgnette_input(length) ──────────▶ room for the request (JSON), then for each of its files
//! lorgnette_run() ──────────────────▶ Engine::answer
//!            ◀────────────────────── progress, as it happens
//! lorgnette_output(number) ─────────▶ the answer (JSON), then each of its files
//! lorgnette_clear() ────────────────▶ frees both
//! ```
//!
//! The interface is C's, so that it needs no generated code. Only JavaScript's glue, `engine.js`,
//! calls it, and only one call runs at a time.
//!
//! Models and photos are files in memory: WebAssembly has no file system, and here no clock. The
//! threads of a pool are workers that `engine.js` starts and lends to the module
//! (`lorgnette_lend_thread`), where the module was built for shared memory. A panic ends the
//! module; `engine.js` then starts it anew.

mod engine;
pub mod exchange;
mod request;

pub use engine::{Answer, Engine, Failure};
pub use request::{Blur, BlurSettings, Map, MapSettings, OpenModel, Request, Run};
