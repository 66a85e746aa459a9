//! A library of photos in one SQLite file: what is in them, and where.

#![forbid(unsafe_code)]

mod error;
mod library;
pub mod schema;

pub use error::{Error, Result};
pub use library::Library;
