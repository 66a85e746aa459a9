//! A library of photos in one SQLite file: what is in them, and where.

#![forbid(unsafe_code)]

mod error;
pub mod hierarchy;
mod library;
pub mod query;
pub mod schema;
pub mod search;

pub use error::{Error, Result};
pub use library::Library;
