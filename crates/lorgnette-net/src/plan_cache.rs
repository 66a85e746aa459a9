//! The plans of a network, each made once, and activations that no session uses at the moment.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use bytes::Bytes;
use lorgnette_kernels::{Level, NumericOptions};

use crate::dense::{DenseOptions, ReceptiveField};
use crate::error::Result;
use crate::plan::{Activations, Plan};

/// Maximum number of cached plans. The least recently used one is dropped, so that photos of ever
/// new sizes do not fill the memory.
const MAX_PLANS: usize = 8;

/// Everything that a plan depends on, apart from the weights.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PlanKey {
    pub(crate) feeds: Vec<(String, Vec<usize>)>,
    pub(crate) settings: Vec<(String, Bytes)>,
    pub(crate) fetches: Vec<String>,
    pub(crate) dense: Option<DenseOptions>,
    pub(crate) level: Level,
    pub(crate) numerics: NumericOptions,
}

/// A plan and its key.
#[derive(Debug)]
pub(crate) struct PlannedRun {
    pub(crate) key: PlanKey,
    pub(crate) plan: Arc<Plan>,
    /// Where the cells of a dense map are.
    pub(crate) geometry: Option<DenseGeometry>,
}

/// Receptive fields of the cells of a dense map.
#[derive(Clone, Copy, Debug)]
pub(crate) struct DenseGeometry {
    pub(crate) rows: ReceptiveField,
    pub(crate) columns: ReceptiveField,
    pub(crate) has_global_context: bool,
    pub(crate) averages: bool,
}

/// A plan that is made, or is being made by the thread that holds the lock.
#[derive(Debug)]
struct Entry {
    key: PlanKey,
    planned: OnceLock<Arc<PlannedRun>>,
    planning: Mutex<()>,
}

/// The plans of a network.
#[derive(Debug, Default)]
pub(crate) struct PlanCache {
    /// The most recently used one first.
    entries: Mutex<Vec<Arc<Entry>>>,
    /// Activations that no session uses, the most recently used ones first.
    idle: Mutex<Vec<Activations>>,
}

impl PlanCache {
    /// Returns the plan of that key. `make` makes it if there is none; other threads that ask for
    /// the same plan meanwhile wait for it.
    ///
    /// # Errors
    /// Those of `make`, after which the next caller tries again.
    pub(crate) fn get_or_make(
        &self,
        key: PlanKey,
        make: impl FnOnce() -> Result<(Arc<Plan>, Option<DenseGeometry>)>,
    ) -> Result<Arc<PlannedRun>> {
        let entry = self.entry(key);
        if let Some(planned) = entry.planned.get() {
            return Ok(planned.clone());
        }
        let _planning = lock(&entry.planning);
        if let Some(planned) = entry.planned.get() {
            return Ok(planned.clone());
        }
        match make() {
            Ok((plan, geometry)) => {
                let planned = PlannedRun { key: entry.key.clone(), plan, geometry };
                Ok(entry.planned.get_or_init(|| Arc::new(planned)).clone())
            }
            Err(error) => {
                lock(&self.entries).retain(|other| !Arc::ptr_eq(other, &entry));
                Err(error)
            }
        }
    }

    /// True if nothing is planned.
    pub(crate) fn is_empty(&self) -> bool {
        lock(&self.entries).is_empty()
    }

    /// Returns the entry of that key, moved to the front.
    fn entry(&self, key: PlanKey) -> Arc<Entry> {
        let mut entries = lock(&self.entries);
        match entries.iter().position(|entry| entry.key == key) {
            Some(at) => entries[..=at].rotate_right(1),
            None => {
                let (planned, planning) = (OnceLock::new(), Mutex::default());
                entries.insert(0, Arc::new(Entry { key, planned, planning }));
                entries.truncate(MAX_PLANS);
            }
        }
        entries[0].clone()
    }

    /// Returns idle activations for at least `threads` threads, or new ones. Those of another plan
    /// serve if they are large enough: the system clears memory that it gives, which for photos of
    /// ever new sizes would take as long as the network.
    ///
    /// # Errors
    /// [`Error::Memory`](crate::Error::Memory) if the system has no more.
    pub(crate) fn activations(&self, planned: &PlannedRun, threads: usize) -> Result<Activations> {
        let plan = &planned.plan;
        let mut idle = lock(&self.idle);
        let own = idle.iter().position(|idle| idle.is_for(plan) && idle.threads() >= threads);
        let fitting = own.or_else(|| {
            let fits = |(_, idle): &(usize, &Activations)| idle.can_serve(plan, threads);
            let smallest =
                idle.iter().enumerate().filter(fits).min_by_key(|(_, idle)| idle.bytes());
            smallest.map(|(at, _)| at)
        });
        if let Some(at) = fitting {
            return Ok(idle.remove(at).serving(plan));
        }
        drop(idle);
        plan.activations(threads).or_else(|_| {
            // Those of other sizes may have the room.
            self.release_idle();
            plan.activations(threads)
        })
    }

    /// Keeps activations for a later session: up to `max_bytes` of all, but always these.
    pub(crate) fn keep_idle(&self, activations: Activations, max_bytes: u64) {
        let dropped = {
            let mut idle = lock(&self.idle);
            idle.insert(0, activations);
            let mut total = 0;
            let kept = idle.iter().take_while(|idle| {
                total += idle.bytes();
                total <= max_bytes
            });
            let kept = kept.count().max(1);
            idle.split_off(kept)
        };
        // Memory is unmapped after the lock is released.
        drop(dropped);
    }

    /// Frees the activations that no session uses.
    pub(crate) fn release_idle(&self) {
        drop(std::mem::take(&mut *lock(&self.idle)));
    }

    /// Bytes of activations that no session uses.
    pub(crate) fn idle_bytes(&self) -> u64 {
        lock(&self.idle).iter().map(Activations::bytes).sum()
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
