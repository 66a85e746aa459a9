//! Compares every fast kernel with its reference implementation at every level of this machine.
//!
//! `LORGNETTE_EXPECT_LEVELS=portable,avx2,avx512,bf16,amx` makes a missing level a failure instead
//! of skipping it.

mod bf16;
mod bounds;
mod conv;
mod depthwise;
mod dynamic_range;
mod elementwise;
mod fixtures;
mod layouts;
mod levels;
mod pooling;
mod resize;
