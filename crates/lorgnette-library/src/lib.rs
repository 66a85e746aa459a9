//! A library of photos in one SQLite file: what is in them, and where.

#![forbid(unsafe_code)]

mod analyse;
mod bytes;
mod correct;
mod error;
mod feature;
mod findings;
pub mod index;
mod library;
mod photo;
pub mod schema;
mod signature;

pub use analyse::{Analyse, Finder, Findings, Found, Network, Whole};
pub use bytes::printable;
pub use correct::{Corrected, Correction};
pub use error::{Error, Result};
pub use index::{Event, IndexOptions, Summary, index};
pub use library::Library;
pub use photo::{Photo, Source, State};
