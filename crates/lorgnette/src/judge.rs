//! How good a model is: what it said of photos whose classes are known, and what follows from it.
//!
//! Everything here is a pure function of plain data. [`Scored`] is one photo with what a model said of it, [`Epoch`] one
//! round of training; neither cares where it comes from.

mod epoch;
mod scored;

pub use epoch::Epoch;
pub use scored::Scored;
