//! A library of photos in one SQLite file: what is in them, and where.

#![forbid(unsafe_code)]

mod analyse;
pub mod answer;
mod bytes;
mod classes;
mod contents;
mod correct;
mod detections;
mod duplicates;
mod error;
mod export;
mod faces;
mod feature;
pub mod fleet;
pub mod hierarchy;
pub mod html_page;
pub mod index;
mod library;
mod photo;
pub mod query;
pub mod schema;
pub mod search;
mod sidecar;
mod signature;
mod similar;
mod statistics;
mod verify;

pub use analyse::{Detections, ImageScore, ModelRecord, NetworkAnalyser, PhotoAnalyser, Region};
pub use bytes::{printable, short_number, short_size};
pub use contents::Detection;
pub use correct::{Correction, StoredCorrection};
pub use duplicates::DuplicateGroup;
pub use error::{DatabaseError, DatabaseErrorKind, Error, Result};
pub use export::ExportTable;
pub use faces::FaceAnalyser;
pub use index::{
    Analysers, Event, ImportedPhoto, IndexObserver, IndexOptions, IndexRequest, Summary, import,
    index,
};
pub use library::{Library, limit_memory};
pub use photo::{Photo, Source, State};
pub use sidecar::{FailedSidecar, SidecarSummary};
pub use similar::{ModelEntry, Similar};
pub use statistics::{ClassCount, Statistics};

/// The tutorials in Rust, whose pieces are compiled and run by `cargo test`.
#[cfg(doctest)]
#[doc = include_str!("../../../docs/tutorials/rust.md")]
mod tutorials {}
