//! Lorgnette's benchmarks.
//!
//! - `cargo bench -p lorgnette-bench --bench networks` times every convolution of some networks, or
//!   of all, and adds them up;
//! - `cargo bench -p lorgnette-bench --bench kernels` compares all kernels and levels on some
//!   layers;
//! - `cargo bench -p lorgnette-bench --bench photos` times decoding and resizing;
//! - `cargo bench -p lorgnette-bench --bench instances` measures callers that share or compete for
//!   cores;
//! - `lorgnette-machine` prints the limits of the machine, for `bench/compare` and
//!   `bench/roofline.py`.

pub mod clock;
pub mod core_proximity;
pub mod layers;
pub mod peak;
pub mod read_bandwidth;
pub mod trial;
