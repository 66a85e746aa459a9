//! Libraries, from the outside.

mod indexing;
mod opening;
mod support;
