//! What judging found, drawn and written: confusion matrices, curves, reliability, tables, one page for a person.

mod confusion;
mod curves;
mod features;
mod palette;
mod plot;
mod reliability;

pub use confusion::{Scale, confusion};
pub use curves::curves;
pub use features::features;
pub use reliability::reliability;
