//! Lorgnette's bench targets: what they measure and how they check it first.
//!
//! - `cargo bench -p lorgnette-bench --bench networks` times every layer of four networks and adds them up;
//! - `cargo bench -p lorgnette-bench --bench kernels` compares all kernels and levels on a few of these layers.

pub mod clock;
pub mod layers;
pub mod peak;
pub mod trial;
