//! A fork-join thread pool for inference. A network is some sixty short parallel regions, so the
//! start and the end of a region must be fast.

mod lent;

use std::any::Any;
use std::cell::UnsafeCell;
use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use self::lent::LentThread;
pub use self::lent::{lend_thread, lent_threads};
use crate::blocks::chunk;

/// A task of a parallel region: a function of the worker's number and the task's index.
pub type TaskFn<'a> = dyn Fn(usize, usize) + Sync + 'a;

/// A pool of threads that runs one parallel region at a time.
///
/// Workers that wait for a region spin for a moment, since the next layer is usually microseconds
/// away, then sleep.
///
/// Each worker gets an equal range of tasks, in order, and steals from the others when it is done.
/// So a worker has the same part of an image in consecutive layers and finds it in its core's
/// cache: data that another core wrote takes several times as long, and ten times where the cores
/// share no cache.
pub struct ThreadPool {
    shared: Arc<SharedState>,
    workers: Vec<Worker>,
}

impl ThreadPool {
    /// Creates a pool of `threads` threads, including the caller of [`ThreadPool::run`]. 0 counts
    /// as 1. Where the system refuses a thread, one that was lent ([`lend_thread`]) takes its
    /// place; if there is none, the pool has fewer.
    ///
    /// # Panics
    /// If `threads` exceeds 65,535.
    pub fn new(threads: usize) -> Self {
        assert!(threads <= MAX_THREADS, "a pool has at most {MAX_THREADS} threads");
        let shared = Arc::new(SharedState::new(threads.max(1)));
        let workers = (1..threads).map_while(|worker| spawn_worker(&shared, worker)).collect();
        Self { shared, workers }
    }

    /// Returns the maximum number of threads in a region, including the caller.
    pub fn threads(&self) -> usize {
        self.workers.len() + 1
    }

    /// Runs `task(worker, index)` once for each index in `0..tasks`, in any order, on all threads,
    /// and returns when all are done. `worker` is less than [`ThreadPool::threads`], and no two
    /// tasks run at the same time with the same number.
    ///
    /// Allocates nothing. If the pool is busy, because of another caller or a call from within a
    /// task, the calling thread runs everything itself as worker 0. A panic in a task is passed on
    /// to the caller when all threads have stopped; remaining tasks are then skipped, and the pool
    /// stays usable.
    ///
    /// # Panics
    /// If a task does, or if there are more than 2³² − 1 tasks.
    pub fn run(&self, tasks: usize, task: &TaskFn<'_>) {
        assert!(u32::try_from(tasks).is_ok(), "a region has more tasks than can be counted");
        let single_threaded = self.workers.is_empty() || tasks <= 1;
        if single_threaded || self.shared.busy.swap(true, Ordering::Acquire) {
            return (0..tasks).for_each(|index| task(0, index));
        }
        // SAFETY: `busy` was false and is now held by this thread.
        let outcome = unsafe { self.shared.region(tasks, task) };
        self.shared.busy.store(false, Ordering::Release);
        if let Some(panic) = outcome {
            resume_unwind(panic);
        }
    }
}

/// The thread of a worker.
enum Worker {
    Own(JoinHandle<()>),
    Lent(LentThread),
}

impl Worker {
    /// Waits until the worker has ended.
    fn join(self) {
        match self {
            // Workers catch their tasks' panics, so the result has no information.
            Self::Own(thread) => drop(thread.join()),
            Self::Lent(thread) => thread.join(),
        }
    }
}

/// Starts a worker; `None` if the system refuses a thread and none was lent.
fn spawn_worker(shared: &Arc<SharedState>, worker: usize) -> Option<Worker> {
    let work = || {
        let shared = Arc::clone(shared);
        move || shared.worker_loop(worker)
    };
    let own = std::thread::Builder::new().name(format!("lorgnette-{worker}")).spawn(work());
    match own {
        Ok(thread) => Some(Worker::Own(thread)),
        Err(_) => LentThread::run(work()).map(Worker::Lent),
    }
}

impl Drop for ThreadPool {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.shared.wake();
        for worker in self.workers.drain(..) {
            worker.join();
        }
    }
}

impl std::fmt::Debug for ThreadPool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ThreadPool({} threads)", self.threads())
    }
}

/// A parallel region's task with its lifetime erased.
type Task = *const TaskFn<'static>;

/// The state of the current region in one word, so that it opens, closes and counts atomically: the
/// number of workers inside, whether more may enter, and the region's epoch.
const WORKERS_MASK: u64 = (1 << 16) - 1;
const OPEN: u64 = 1 << 16;
const EPOCH_UNIT: u64 = 1 << 17;
const MAX_THREADS: usize = WORKERS_MASK as usize;

/// Longer than most gaps between layers, too short to cost noticeable energy.
const SPIN_TIME: Duration = Duration::from_micros(60);
/// About as long, where the standard library has no clock.
const SPINS_WITHOUT_CLOCK: u32 = 1 << 14;
const HAS_CLOCK: bool = !cfg!(all(target_family = "wasm", target_os = "unknown"));

/// Pads a value that all threads write to two cache lines (lines are prefetched in pairs).
#[repr(align(128))]
#[derive(Default)]
struct CachePadded<T>(T);

/// The data that a worker reads when it enters a region, on one cache line.
#[derive(Default)]
struct RegionSlot {
    state: AtomicU64,
    /// Written by the caller that holds `busy` while the region is closed and empty; read by
    /// workers inside.
    task: UnsafeCell<Option<Task>>,
}

/// The remaining tasks of a worker's range, both ends in one word. The owner takes the first,
/// others the last.
#[derive(Default)]
struct TaskRange(AtomicU64);

impl TaskRange {
    fn assign(&self, tasks: Range<usize>) {
        self.0.store((tasks.start as u64) << 32 | tasks.end as u64, Ordering::Relaxed);
    }

    fn pop_front(&self) -> Option<usize> {
        self.pop(|start, end| (start, start + 1..end))
    }

    fn pop_back(&self) -> Option<usize> {
        self.pop(|start, end| (end - 1, start..end - 1))
    }

    /// Takes a task, if any are left.
    fn pop(&self, choose: impl Fn(u64, u64) -> (u64, Range<u64>)) -> Option<usize> {
        let mut current = self.0.load(Ordering::Relaxed);
        loop {
            let (start, end) = (current >> 32, current & u64::from(u32::MAX));
            if start >= end {
                return None;
            }
            let (task, rest) = choose(start, end);
            let rest = rest.start << 32 | rest.end;
            match self.0.compare_exchange_weak(current, rest, Ordering::Relaxed, Ordering::Relaxed)
            {
                Ok(_) => return Some(task as usize),
                Err(actual) => current = actual,
            }
        }
    }
}

struct SharedState {
    /// True while a caller has a region running.
    busy: AtomicBool,
    region_slot: CachePadded<RegionSlot>,
    /// One for each worker.
    task_ranges: Box<[CachePadded<TaskRange>]>,
    panic: Mutex<Option<Box<dyn Any + Send>>>,
    stop: AtomicBool,
    sleepers: AtomicUsize,
    sleep_lock: Mutex<()>,
    work_ready: Condvar,
    /// True while the caller of a region sleeps until the last worker has left.
    caller_waiting: AtomicBool,
    region_done: Condvar,
}

// SAFETY: `task` is the only field that is not `Sync`. It is written only while the region is
// closed and empty, by the one thread that holds `busy`, and read only by workers inside.
unsafe impl Sync for SharedState {}
// SAFETY: the pointer in `task` is to a `Sync` closure and is only used while its owner waits.
unsafe impl Send for SharedState {}

impl SharedState {
    fn new(threads: usize) -> Self {
        Self {
            busy: AtomicBool::default(),
            region_slot: CachePadded::default(),
            task_ranges: (0..threads).map(|_| CachePadded::default()).collect(),
            panic: Mutex::default(),
            stop: AtomicBool::default(),
            sleepers: AtomicUsize::default(),
            sleep_lock: Mutex::default(),
            work_ready: Condvar::default(),
            caller_waiting: AtomicBool::default(),
            region_done: Condvar::default(),
        }
    }

    /// Runs a region to its end and returns the panic of one of its tasks, if any.
    ///
    /// # Safety
    /// Caller guarantees that it holds `busy`.
    unsafe fn region(&self, tasks: usize, task: &TaskFn<'_>) -> Option<Box<dyn Any + Send>> {
        // SAFETY: only the lifetime changes. The pointer is used by workers inside the region, and
        // this function does not return before the region is closed and the last of them has left.
        let task = unsafe { std::mem::transmute::<*const TaskFn<'_>, Task>(task) };
        let RegionSlot { state, task: slot } = &self.region_slot.0;
        // SAFETY: this thread holds `busy`, and the previous holder left the region closed and
        // empty.
        unsafe { *slot.get() = Some(task) };
        let workers = self.task_ranges.len();
        for (worker, task_range) in self.task_ranges.iter().enumerate() {
            task_range.0.assign(chunk(tasks, workers, worker));
        }
        state.fetch_add(EPOCH_UNIT | OPEN, Ordering::SeqCst);
        if self.sleepers.load(Ordering::SeqCst) > 0 {
            self.wake();
        }
        self.run_tasks(0, task);
        state.fetch_and(!OPEN, Ordering::Relaxed);
        self.wait_until_empty();
        self.panic.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    /// Runs tasks until none is left, and stores a panic for the caller.
    fn run_tasks(&self, worker: usize, task: Task) {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            // SAFETY: the closure lives until its owner has seen this worker leave.
            let task = unsafe { &*task };
            let (others, own) = self.task_ranges.split_at(worker);
            while let Some(index) = own[0].0.pop_front() {
                task(worker, index);
            }
            for task_range in own[1..].iter().chain(others) {
                while let Some(index) = task_range.0.pop_back() {
                    task(worker, index);
                }
            }
        }));
        if let Err(panic) = outcome {
            self.task_ranges.iter().for_each(|task_range| task_range.0.assign(0..0));
            self.panic.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(panic);
        }
    }

    /// Waits until all workers have left. One that was preempted may take long: sleeping leaves it
    /// this core, where yielding would queue this thread behind the other program too.
    fn wait_until_empty(&self) {
        let is_empty = || self.region_slot.0.state.load(Ordering::SeqCst) & WORKERS_MASK == 0;
        let mut backoff = Backoff::new();
        while !is_empty() {
            if !backoff.spin() {
                let mut sleep_lock = self.sleep_lock.lock().unwrap_or_else(PoisonError::into_inner);
                // As in `sleep`: either this thread sees the last worker leave here, or that worker
                // sees `caller_waiting`.
                self.caller_waiting.store(true, Ordering::SeqCst);
                while !is_empty() {
                    sleep_lock =
                        self.region_done.wait(sleep_lock).unwrap_or_else(PoisonError::into_inner);
                }
                self.caller_waiting.store(false, Ordering::SeqCst);
            }
        }
    }

    fn leave_region(&self) {
        let before = self.region_slot.0.state.fetch_sub(1, Ordering::SeqCst);
        if before & WORKERS_MASK == 1 && self.caller_waiting.load(Ordering::SeqCst) {
            let _sleep_lock = self.sleep_lock.lock().unwrap_or_else(PoisonError::into_inner);
            self.region_done.notify_one();
        }
    }

    /// Runs a worker's part of every region until the pool stops.
    fn worker_loop(&self, worker: usize) {
        let mut last_epoch = 0;
        while let Some(epoch) = self.enter_region(last_epoch) {
            last_epoch = epoch;
            // SAFETY: this worker is inside the region, so no thread writes.
            let task = unsafe { *self.region_slot.0.task.get() };
            if let Some(task) = task {
                self.run_tasks(worker, task);
            }
            self.leave_region();
        }
    }

    /// Waits for a region other than `last_epoch`, enters it and returns its epoch; `None` when the
    /// pool stops.
    fn enter_region(&self, last_epoch: u64) -> Option<u64> {
        let mut backoff = Backoff::new();
        loop {
            if self.stop.load(Ordering::Relaxed) {
                return None;
            }
            let state = self.region_slot.0.state.load(Ordering::Relaxed);
            if is_new_region(state, last_epoch) {
                let entered = self.region_slot.0.state.compare_exchange(
                    state,
                    state + 1,
                    Ordering::Acquire,
                    Ordering::Relaxed,
                );
                if entered.is_ok() {
                    return Some(state / EPOCH_UNIT);
                }
            } else if !backoff.spin() {
                self.sleep(last_epoch);
                backoff = Backoff::new();
            }
        }
    }

    /// Sleeps until a region opens or the pool stops.
    fn sleep(&self, last_epoch: u64) {
        let mut sleep_lock = self.sleep_lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.sleepers.fetch_add(1, Ordering::SeqCst);
        // Either this worker sees the region open here, or the thread that opens it sees it among
        // the sleepers and notifies it, which requires the lock that `wait` releases.
        while !is_new_region(self.region_slot.0.state.load(Ordering::SeqCst), last_epoch)
            && !self.stop.load(Ordering::SeqCst)
        {
            sleep_lock = self.work_ready.wait(sleep_lock).unwrap_or_else(PoisonError::into_inner);
        }
        self.sleepers.fetch_sub(1, Ordering::SeqCst);
    }

    fn wake(&self) {
        let _sleep_lock = self.sleep_lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.work_ready.notify_all();
    }
}

/// True if a region other than `last_epoch` is open.
fn is_new_region(state: u64, last_epoch: u64) -> bool {
    state & OPEN != 0 && state / EPOCH_UNIT != last_epoch
}

/// Spins for [`SPIN_TIME`].
struct Backoff {
    spins: u32,
    started: Option<Instant>,
}

impl Backoff {
    fn new() -> Self {
        Self { spins: 0, started: None }
    }

    /// Pauses for a few nanoseconds; returns `false` when [`SPIN_TIME`] has passed.
    fn spin(&mut self) -> bool {
        std::hint::spin_loop();
        self.spins += 1;
        if !HAS_CLOCK {
            return self.spins < SPINS_WITHOUT_CLOCK;
        }
        // Reading the clock costs more than an iteration.
        !self.spins.is_multiple_of(64)
            || self.started.get_or_insert_with(Instant::now).elapsed() < SPIN_TIME
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every index exactly once, by a worker that exists.
    fn check(pool: &ThreadPool, tasks: usize) {
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
            let pool = ThreadPool::new(threads);
            assert_eq!(pool.threads(), threads.max(1));
            for tasks in [0, 1, 2, 3, 7, 100, 1000] {
                check(&pool, tasks);
            }
        }
    }

    #[test]
    fn survives_many_small_regions() {
        let pool = ThreadPool::new(4);
        for round in 0..20_000 {
            check(&pool, 1 + round % 9);
        }
    }

    #[test]
    fn wakes_workers_that_sleep() {
        let pool = ThreadPool::new(3);
        for _ in 0..20 {
            std::thread::sleep(Duration::from_millis(1));
            check(&pool, 50);
        }
    }

    #[test]
    fn waits_for_a_slow_worker_asleep() {
        let pool = ThreadPool::new(3);
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
        let pool = ThreadPool::new(3);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| (0..2000).for_each(|round| check(&pool, 1 + round % 13)));
            }
        });
    }

    #[test]
    fn nested_calls_run_in_place() {
        let pool = ThreadPool::new(3);
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
        let pool = ThreadPool::new(3);
        for culprit in 0..20 {
            let run = || pool.run(20, &|_, index| assert_ne!(index, culprit, "the culprit"));
            let panic = catch_unwind(AssertUnwindSafe(run)).unwrap_err();
            assert!(panic.downcast_ref::<String>().unwrap().contains("the culprit"));
            check(&pool, 30);
        }
    }

    #[test]
    fn lent_threads_work_for_one_pool_after_the_other() {
        std::thread::spawn(|| {
            lend_thread();
        });
        for _ in 0..3 {
            let worker = loop {
                match LentThread::run(|| ()) {
                    Some(worker) => break worker,
                    None => std::thread::yield_now(),
                }
            };
            worker.join();
        }
        while lent_threads() == 0 {
            std::thread::yield_now();
        }
        let shared = Arc::new(SharedState::new(2));
        let work = Arc::clone(&shared);
        let worker = LentThread::run(move || work.worker_loop(1)).map(Worker::Lent).unwrap();
        assert!(LentThread::run(|| ()).is_none(), "the thread was lent twice");
        let pool = ThreadPool { shared, workers: vec![worker] };
        for tasks in [1, 2, 7, 1000] {
            check(&pool, tasks);
        }
        drop(pool);
        while lent_threads() == 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn workers_do_not_share_a_number() {
        let pool = ThreadPool::new(4);
        let inside: Vec<AtomicBool> = (0..4).map(|_| AtomicBool::new(false)).collect();
        pool.run(2000, &|worker, _| {
            assert!(!inside[worker].swap(true, Ordering::SeqCst));
            std::hint::spin_loop();
            inside[worker].store(false, Ordering::SeqCst);
        });
    }
}
