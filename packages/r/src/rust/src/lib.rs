//! The native code of the R package: the library's calls with R's values.
//!
//! ```text
//! R photos ─▶ Photo ─▶ Picture ─▶ lorgnette ─▶ answer ─▶ columns, arrays, lists
//!            photo    (on other threads than R's: work)      answers, arrays
//! ```
//!
//! `savvy-cli update packages/r` writes the C functions (`../init.c`, `api.h`) and their R wrappers
//! (`../../R/000-wrappers.R`) that lead here. The R files beside the wrappers check arguments and
//! give results their classes. Doc comments become roxygen's: `@noRd` keeps them out of the manual.

#![allow(
    unreachable_pub,
    unsafe_op_in_unsafe_fn,
    clippy::missing_safety_doc,
    clippy::needless_pass_by_value,
    clippy::undocumented_unsafe_blocks,
    reason = "functions that savvy's macros write, and R's arguments, which arrive as owned values"
)]

mod answers;
mod arrays;
mod error;
mod library;
mod map;
mod model;
mod options;
mod photo;
mod pictures;
mod run;
mod train;
mod work;
