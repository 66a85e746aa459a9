//! Libraries, from the outside.

mod hostile;
mod indexing;
mod migrations;
mod opening;
mod support;
