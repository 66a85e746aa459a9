//! Every fast kernel against its slow twin, at every CPU level this machine has.
//!
//! `LORGNETTE_EXPECT_LEVELS=portable,avx2,avx512,bf16,amx` makes a level that this machine lacks a
//! failure instead of a silence.

mod bf16;
mod bounds;
mod conv;
mod depthwise;
mod elementwise;
mod fixtures;
mod layouts;
mod levels;
mod pooling;
mod resize;
