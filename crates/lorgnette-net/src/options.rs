//! How a network is opened and run.

use std::path::PathBuf;
use std::sync::Arc;

use lorgnette_kernels::{Level, NumericOptions, ThreadPool};

use crate::plan::PlanOptions;
use crate::zoo::ZooOptions;

/// How a network is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The threads it runs on.
    pub pool: Arc<ThreadPool>,
    /// The CPU level whose kernels are used.
    pub level: Level,
    /// The numbers it may compute with, and keep weights as.
    pub numerics: NumericOptions,
    /// Bytes that the activations of one run may take.
    pub memory_limit: u64,
    /// The node that takes the picture, where the graph does not make it clear.
    pub input: Option<String>,
    /// The node that gives the answer, where the graph does not make it clear.
    pub output: Option<String>,
    /// The network of the zoo that a checkpoint's weights are of; else it is recognised.
    pub net: Option<String>,
    /// How a network of the zoo is built.
    pub zoo: ZooOptions,
    /// The checkpoint with the variables of a graph that is not frozen; else the one beside it.
    pub checkpoint: Option<PathBuf>,
    /// Whether a checkpoint's moving averages are preferred to the weights themselves, where it has
    /// both.
    pub use_ema: bool,
    /// The folder that archives of checkpoints are unpacked in; without it they are refused.
    pub cache: Option<PathBuf>,
}

impl Options {
    /// The defaults on so many threads; all cores if none are given.
    pub fn with_threads(threads: Option<usize>) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        let threads = threads.unwrap_or_else(cores);
        let PlanOptions { level, numerics, memory_limit, .. } = PlanOptions::default();
        Self {
            pool: Arc::new(ThreadPool::new(threads)),
            level,
            numerics,
            memory_limit,
            input: None,
            output: None,
            net: None,
            zoo: ZooOptions::default(),
            checkpoint: None,
            use_ema: true,
            cache: None,
        }
    }
}

impl Default for Options {
    /// All cores, the best level, float32, 8 GiB of activations.
    fn default() -> Self {
        Self::with_threads(None)
    }
}
