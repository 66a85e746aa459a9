//! A library of photos in one SQLite file: what is in them, and where.

#![forbid(unsafe_code)]

mod analyse;
mod bytes;
mod contents;
mod correct;
mod duplicates;
mod error;
mod export;
mod feature;
mod findings;
pub mod gallery;
pub mod hierarchy;
pub mod index;
mod library;
mod photo;
pub mod query;
pub mod schema;
pub mod search;
mod signature;
mod similar;
mod statistics;
mod verify;

pub use analyse::{Analyse, Finder, Findings, Found, Network, Whole};
pub use bytes::printable;
pub use contents::Finding;
pub use correct::{Corrected, Correction};
pub use duplicates::Group;
pub use error::{Error, Result};
pub use export::Sheet;
pub use index::{Event, Imported, IndexOptions, Summary, import, index};
pub use library::Library;
pub use photo::{Photo, Source, State};
pub use similar::{ModelEntry, Similar};
pub use statistics::{ClassCount, Statistics};
