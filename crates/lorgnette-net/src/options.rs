//! How a network is opened, and how it is run.

use std::path::PathBuf;
use std::sync::Arc;

use lorgnette_kernels::{Level, NumericOptions, ThreadPool};

use crate::plan::PlanOptions;
use crate::zoo::ZooOptions;

/// Which network a file is opened as.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The node that takes the picture; found in the graph if not given.
    pub input: Option<String>,
    /// The node that gives the answer; found in the graph if not given.
    pub output: Option<String>,
    /// The network of the zoo that a checkpoint's weights belong to; recognised if not given.
    pub net: Option<String>,
    /// How a network of the zoo is built.
    pub zoo: ZooOptions,
    /// The checkpoint with the variables of a graph that is not frozen; if not given, the only one
    /// in the graph's folder.
    pub checkpoint: Option<PathBuf>,
    /// Whether moving averages are used in place of the weights where a checkpoint has both.
    pub use_ema: bool,
    /// The signature of a SavedModel; `serving_default` if not given.
    pub signature: Option<String>,
    /// The folder that archives of checkpoints are unpacked to. Archives are refused without it.
    pub cache: Option<PathBuf>,
}

impl Default for LoadOptions {
    /// Everything is found in the file; moving averages are used.
    fn default() -> Self {
        Self {
            input: None,
            output: None,
            net: None,
            zoo: ZooOptions::default(),
            checkpoint: None,
            use_ema: true,
            signature: None,
            cache: None,
        }
    }
}

/// How a network is run.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// The threads it runs on. Networks may share a pool.
    pub pool: Arc<ThreadPool>,
    /// The CPU level whose kernels are used.
    pub level: Level,
    /// The number formats of products and of stored weights.
    pub numerics: NumericOptions,
    /// Maximum bytes of the activations of one run.
    pub memory_limit: u64,
    /// Maximum bytes of activations that are kept for later runs while no session uses them. Those
    /// of the last run are kept in any case.
    pub max_idle_bytes: u64,
}

/// Default of [`RunOptions::max_idle_bytes`].
const MAX_IDLE_BYTES: u64 = 1 << 30;

impl RunOptions {
    /// The defaults on a pool of `threads` threads; by default one for each CPU that this process
    /// may use, by its affinity mask and the quota of its cgroup.
    pub fn with_threads(threads: Option<usize>) -> Self {
        Self::with_pool(Arc::new(ThreadPool::new(threads.unwrap_or_else(available_threads))))
    }

    /// The defaults on a pool that other networks may use too.
    pub fn with_pool(pool: Arc<ThreadPool>) -> Self {
        let PlanOptions { level, numerics, memory_limit, .. } = PlanOptions::default();
        Self { pool, level, numerics, memory_limit, max_idle_bytes: MAX_IDLE_BYTES }
    }
}

impl Default for RunOptions {
    /// All CPUs, the best level, float32, 8 GiB of activations, 1 GiB of idle ones.
    fn default() -> Self {
        Self::with_threads(None)
    }
}

/// Returns the number of CPUs that this process may use: on Linux, no more than its affinity mask
/// has and than the CPU quota of its cgroup allows, rounded down; at least 1.
pub fn available_threads() -> usize {
    // Both limits are known to the standard library.
    std::thread::available_parallelism().map_or(1, usize::from)
}
