//! Lorgnette's bench targets: what they measure and how they check it first.
//!
//! - `cargo bench -p lorgnette-bench --bench networks` times every convolution of some networks, or
//!   all, and adds them up;
//! - `cargo bench -p lorgnette-bench --bench kernels` compares all kernels and levels on a few of
//!   these layers;
//! - `cargo bench -p lorgnette-bench --bench photos` times what comes before the network: decoding,
//!   resizing;
//! - `cargo bench -p lorgnette-bench --bench instances` lets callers share, or fight for, the
//!   cores;
//! - `lorgnette-machine` says what the machine is able to, for `bench/compare` and
//!   `bench/roofline.py`.

pub mod clock;
pub mod core_proximity;
pub mod layers;
pub mod peak;
pub mod read_bandwidth;
pub mod trial;
