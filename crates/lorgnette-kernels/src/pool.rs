//! Threads for inference: a network is some sixty short parallel regions, so what counts is how fast one starts and ends.

use std::any::Any;
use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use crate::blocks::part;

/// A team of threads that runs one parallel region at a time.
///
/// Workers that wait for a region spin for a moment (the next layer is usually microseconds away), then sleep.
///
/// Tasks are dealt out in order, to each worker an equal share, and whoever is done helps the others. So the same worker has
/// the same part of a picture in one layer after the other, and finds it in its core's cache: what another core wrote comes
/// several times more slowly, and where the cores share no cache at all, ten times.
pub struct Pool {
    shared: Arc<Shared>,
    workers: Vec<JoinHandle<()>>,
}

impl Pool {
    /// A pool of `threads` threads, the caller of [`Pool::run`] among them. 0 counts as 1.
    ///
    /// # Panics
    /// If they are more than 65,535.
    pub fn new(threads: usize) -> Self {
        assert!(threads <= MOST_THREADS, "a pool has at most {MOST_THREADS} threads");
        let shared = Arc::new(Shared::new(threads.max(1)));
        let start = |worker| {
            let shared = Arc::clone(&shared);
            std::thread::Builder::new().name(format!("lorgnette-{worker}")).spawn(move || shared.work(worker))
        };
        // A machine that refuses a thread still computes, with fewer.
        let workers = (1..threads).map_while(|worker| start(worker).ok()).collect();
        Self { shared, workers }
    }

    /// How many threads take part in a region at most, the caller included.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `task(worker, index)` once for each index in `0..tasks`, in any order, on all threads, and returns when all
    /// are done. `worker` is less than [`Pool::threads`], and no two tasks run at the same time under the same number.
    ///
    /// Allocates nothing. If the pool is busy, because of another caller or because this is called from within a task,
    /// the calling thread runs everything itself as worker 0. A panic in a task is passed on to the caller when all
    /// threads have stopped; tasks not yet begun are then skipped, and the pool stays usable.
    ///
    /// # Panics
    /// If a task does; if there are more than 2³² − 1 tasks.
    pub fn run(&self, tasks: usize, task: &(dyn Fn(usize, usize) + Sync)) {
        assert!(u32::try_from(tasks).is_ok(), "a region has more tasks than can be counted");
        let alone = self.workers.is_empty() || tasks <= 1;
        if alone || self.shared.busy.swap(true, Ordering::Acquire) {
            return (0..tasks).for_each(|index| task(0, index));
        }
        // SAFETY: `busy` was false and is now ours.
        let outcome = unsafe { self.shared.region(tasks, task) };
        self.shared.busy.store(false, Ordering::Release);
        if let Some(panic) = outcome {
            resume_unwind(panic);
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake();
        for worker in self.workers.drain(..) {
            // A worker catches its tasks' panics, so there is nothing to hear from it.
            let _ = worker.join();
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Pool({} threads)", self.threads())
    }
}

/// A parallel region's task, its lifetime forgotten.
type Task = *const (dyn Fn(usize, usize) + Sync);

/// The door to the current region, in one word so that it opens, closes and counts atomically:
/// how many workers are inside, whether more may enter, and the region's number.
const INSIDE: u64 = (1 << 16) - 1;
const OPEN: u64 = 1 << 16;
const NUMBER: u64 = 1 << 17;
const MOST_THREADS: usize = INSIDE as usize;

/// Longer than most gaps between layers, shorter than anything a user would notice on the power meter.
const SPIN: Duration = Duration::from_micros(60);

/// Keeps a counter that all threads write to off its neighbours' cache lines (lines are fetched in pairs).
#[repr(align(128))]
#[derive(Default)]
struct Apart<T>(T);

/// What a worker reads as it enters a region, on one cache line.
#[derive(Default)]
struct Entrance {
    door: AtomicU64,
    /// Written by the caller that holds `busy` while the door is closed and nobody is inside; read by those inside.
    task: UnsafeCell<Option<Task>>,
}

/// The tasks of a worker's share that nobody has begun, both ends in one word: the owner takes the first, others the last.
#[derive(Default)]
struct Share(AtomicU64);

impl Share {
    fn deal(&self, tasks: Range<usize>) {
        self.0.store((tasks.start as u64) << 32 | tasks.end as u64, Ordering::Relaxed);
    }

    fn take_first(&self) -> Option<usize> {
        self.take(|start, end| (start, start + 1..end))
    }

    fn take_last(&self) -> Option<usize> {
        self.take(|start, end| (end - 1, start..end - 1))
    }

    /// Takes a task and leaves the others, if any are left.
    fn take(&self, choose: impl Fn(u64, u64) -> (u64, Range<u64>)) -> Option<usize> {
        let mut now = self.0.load(Ordering::Relaxed);
        loop {
            let (start, end) = (now >> 32, now & u64::from(u32::MAX));
            if start >= end {
                return None;
            }
            let (task, rest) = choose(start, end);
            let rest = rest.start << 32 | rest.end;
            match self.0.compare_exchange_weak(now, rest, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Some(task as usize),
                Err(changed) => now = changed,
            }
        }
    }
}

struct Shared {
    /// Some caller has a region running.
    busy: AtomicBool,
    entrance: Apart<Entrance>,
    /// Each worker's.
    shares: Box<[Apart<Share>]>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    stop: AtomicBool,
    sleepers: AtomicUsize,
    bed: Mutex<()>,
    bell: Condvar,
    /// The caller of a region sleeps until the last worker is out.
    caller_sleeps: AtomicBool,
    last_is_out: Condvar,
}

// SAFETY: `task` is the only part that is not already `Sync`. It is written only while the door is closed and nobody is
// inside, by the one thread that holds `busy`, and read only by threads inside.
unsafe impl Sync for Shared {}
// SAFETY: the pointer in `task` is to a `Sync` closure and is only used while its owner waits.
unsafe impl Send for Shared {}

impl Shared {
    fn new(threads: usize) -> Self {
        Self {
            busy: AtomicBool::default(),
            entrance: Apart::default(),
            shares: (0..threads).map(|_| Apart::default()).collect(),
            panic: Mutex::default(),
            stop: AtomicBool::default(),
            sleepers: AtomicUsize::default(),
            bed: Mutex::default(),
            bell: Condvar::default(),
            caller_sleeps: AtomicBool::default(),
            last_is_out: Condvar::default(),
        }
    }

    /// Runs a region to its end and gives the panic of one of its tasks, if any.
    ///
    /// # Safety
    /// The caller holds `busy`.
    unsafe fn region(&self, tasks: usize, task: &(dyn Fn(usize, usize) + Sync)) -> Option<Box<dyn Any + Send>> {
        // SAFETY: only the lifetime changes. The pointer is used by threads inside the door, and we do not return
        // before the door is closed and the last of them is out.
        let task = unsafe { std::mem::transmute::<*const (dyn Fn(usize, usize) + Sync), Task>(task) };
        let Entrance { door, task: place } = &self.entrance.0;
        // SAFETY: we hold `busy`, and the previous holder left the door closed with nobody inside.
        unsafe { *place.get() = Some(task) };
        let workers = self.shares.len();
        for (worker, share) in self.shares.iter().enumerate() {
            share.0.deal(part(tasks, workers, worker));
        }
        door.fetch_add(NUMBER | OPEN, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            self.wake();
        }
        self.take_tasks(0, task);
        door.fetch_and(!OPEN, Ordering::Relaxed);
        self.wait_until_empty();
        self.panic.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Runs tasks until none is left, keeping a panic for the caller.
    fn take_tasks(&self, worker: usize, task: Task) {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the closure lives until its owner has seen us leave.
            let task = unsafe { &*task };
            let (others, own) = self.shares.split_at(worker);
            while let Some(index) = own[0].0.take_first() {
                task(worker, index);
            }
            for share in own[1..].iter().chain(others) {
                while let Some(index) = share.0.take_last() {
                    task(worker, index);
                }
            }
        }));
        if let Err(panic) = outcome {
            self.shares.iter().for_each(|share| share.0.deal(0..0));
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
        }
    }

    /// Waits for those who are still at a task. One that lost its core to another program may take long; sleeping until it rings
    /// leaves it ours, where yielding would have us wait behind that program too.
    fn wait_until_empty(&self) {
        let is_empty = || self.entrance.0.door.load(Ordering::SeqCst) & INSIDE == 0;
        let mut patience = Patience::new();
        while !is_empty() {
            if !patience.spin() {
                let mut bed = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
                // As in `sleep`: either we see the last one out here, or it sees that we sleep.
                self.caller_sleeps.store(true, Ordering::SeqCst);
                while !is_empty() {
                    bed = self.last_is_out.wait(bed).unwrap_or_else(PoisonError::into_inner);
                }
                self.caller_sleeps.store(false, Ordering::SeqCst);
            }
        }
    }

    fn leave(&self) {
        let before = self.entrance.0.door.fetch_sub(1, Ordering::SeqCst);
        if before & INSIDE == 1 && self.caller_sleeps.load(Ordering::SeqCst) {
            let _bed = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
            self.last_is_out.notify_one();
        }
    }

    /// A worker's life.
    fn work(&self, worker: usize) {
        let mut last = 0;
        while let Some(number) = self.enter(last) {
            last = number;
            // SAFETY: we are inside, so nobody writes.
            let task = unsafe { *self.entrance.0.task.get() };
            if let Some(task) = task {
                self.take_tasks(worker, task);
            }
            self.leave();
        }
    }

    /// Waits for a region other than `last`, enters it and gives its number; `None` when the pool stops.
    fn enter(&self, last: u64) -> Option<u64> {
        let mut patience = Patience::new();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            let door = self.entrance.0.door.load(Ordering::Relaxed);
            if is_news(door, last) {
                let entered =
                    self.entrance.0.door.compare_exchange(door, door + 1, Ordering::Acquire, Ordering::Relaxed);
                if entered.is_ok() {
                    return Some(door / NUMBER);
                }
            } else if !patience.spin() {
                self.sleep(last);
                patience = Patience::new();
            }
        }
    }

    /// Sleeps until there may be news.
    fn sleep(&self, last: u64) {
        let mut bed = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        // Either we see the door as it opens here, or the one who opens it sees us among the sleepers and rings, which
        // it can only do once we lie in bed.
        while !is_news(self.entrance.0.door.load(Ordering::SeqCst), last) && !self.stop.load(Ordering::SeqCst) {
            bed = self.bell.wait(bed).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    fn wake(&self) {
        let _bed = self.bed.lock().unwrap_or_else(PoisonError::into_inner);
        self.bell.notify_all();
    }
}

/// Whether the door is open to a region other than `last`.
fn is_news(door: u64, last: u64) -> bool {
    door & OPEN != 0 && door / NUMBER != last
}

/// Spins for [`SPIN`].
struct Patience {
    turns: u32,
    since: Option<Instant>,
}

impl Patience {
    fn new() -> Self {
        Self { turns: 0, since: None }
    }

    /// Pauses for a few nanoseconds; `false` when it is time to do something else.
    fn spin(&mut self) -> bool {
        std::hint::spin_loop();
        self.turns += 1;
        // Reading the clock costs more than a turn.
        !self.turns.is_multiple_of(64) || self.since.get_or_insert_with(Instant::now).elapsed() < SPIN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every index exactly once, by a worker that exists.
    fn check(pool: &Pool, tasks: usize) {
        let seen: Vec<AtomicUsize> = (0..tasks).map(|_| AtomicUsize::new(0)).collect();
        pool.run(tasks, &|worker, index| {
            assert!(worker < pool.threads());
            seen[index].fetch_add(1, Ordering::Relaxed);
        });
        assert!(seen.iter().all(|count| count.load(Ordering::Relaxed) == 1));
    }

    #[test]
    fn runs_each_task_once() {
        for threads in [0, 1, 2, 3, 8] {
            let pool = Pool::new(threads);
            assert_eq!(pool.threads(), threads.max(1));
            for tasks in [0, 1, 2, 3, 7, 100, 1000] {
                check(&pool, tasks);
            }
        }
    }

    #[test]
    fn survives_many_small_regions() {
        let pool = Pool::new(4);
        for round in 0..20_000 {
            check(&pool, 1 + round % 9);
        }
    }

    #[test]
    fn wakes_workers_that_sleep() {
        let pool = Pool::new(3);
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(1));
            check(&pool, 50);
        }
    }

    #[test]
    fn waits_for_a_slow_worker_asleep() {
        let pool = Pool::new(3);
        for _ in 0..20 {
            let done = AtomicUsize::new(0);
            pool.run(3, &|worker, _| {
                if worker > 0 {
                    std::thread::sleep(Duration::from_millis(1));
                }
                done.fetch_add(1, Ordering::SeqCst);
            });
            assert_eq!(done.into_inner(), 3);
        }
    }

    #[test]
    fn serves_concurrent_callers() {
        let pool = Pool::new(3);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..2000).for_each(|round| check(&pool, 1 + round % 13)));
            }
        });
    }

    #[test]
    fn nested_calls_run_in_place() {
        let pool = Pool::new(3);
        let count = AtomicUsize::new(0);
        pool.run(10, &|_, _| {
            pool.run(10, &|worker, _| {
                assert_eq!(worker, 0);
                count.fetch_add(1, Ordering::Relaxed);
            });
        });
        assert_eq!(count.into_inner(), 100);
    }

    #[test]
    fn passes_a_panic_on_and_stays_usable() {
        let pool = Pool::new(3);
        for culprit in 0..20 {
            let run = || pool.run(20, &|_, index| assert_ne!(index, culprit, "the culprit"));
            let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
            assert!(panic.downcast_ref::<String>().unwrap().contains("the culprit"));
            check(&pool, 30);
        }
    }

    #[test]
    fn workers_do_not_share_a_number() {
        let pool = Pool::new(4);
        let inside: Vec<AtomicBool> = (0..4).map(|_| AtomicBool::new(false)).collect();
        pool.run(2000, &|worker, _| {
            assert!(!inside[worker].swap(true, Ordering::SeqCst));
            std::hint::spin_loop();
            inside[worker].store(false, Ordering::SeqCst);
        });
    }
}
