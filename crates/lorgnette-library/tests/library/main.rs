//! Libraries, from the outside.

mod fleet;
mod hostile;
mod indexing;
mod migrations;
mod opening;
mod support;
