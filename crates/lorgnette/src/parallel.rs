//! Parallel map with results in input order.
//!
//! ```text
//! tickets (numbers of items) ─▶ workers ─▶ results, in any order ─▶ taken in order
//!        ▲                                                                │
//!        └──────────────── one more for each that was taken ◀─────────────┘
//! ```
//!
//! The number of tickets is bounded, so a worker never runs far ahead of a slow item, and few
//! results wait.

use std::any::Any;
use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread;

use lorgnette_kernels::ThreadPool;

/// Maximum number of items that a worker runs ahead of the next result.
const MAX_AHEAD: usize = 4;

/// Distribution of threads among items.
///
/// A single item uses all threads. Several items use one worker each, so that different stages of
/// several items overlap and threads do not wait for each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkSplit {
    /// Number of items processed at the same time.
    pub workers: usize,
    /// Number of threads of each worker.
    pub threads: usize,
}

impl WorkSplit {
    /// Distributes `threads`, at least 1, among `items`.
    #[must_use]
    pub fn new(threads: usize, items: usize) -> Self {
        let workers = threads.min(items).max(1);
        Self { workers, threads: threads / workers }
    }

    /// Returns a copy of `shared` for each worker, with the worker's own threads. A single worker
    /// has those of `shared`.
    #[must_use]
    pub fn copies<T: Clone>(self, shared: &T, with_threads: fn(&T, usize) -> T) -> Vec<T> {
        if self.workers == 1 {
            return vec![shared.clone()];
        }
        (0..self.workers).map(|_| with_threads(shared, self.threads)).collect()
    }
}

/// Rows of a picture in a part that a thread takes at a time.
pub(crate) const BAND_ROWS: usize = 64;

/// Calls `work` with the number of each of `parts` and the part itself, on the threads of `pool`.
pub(crate) fn for_each_part<T: Send>(
    pool: &ThreadPool,
    parts: impl Iterator<Item = T>,
    work: impl Fn(usize, &mut T) + Sync,
) {
    let parts: Vec<Mutex<T>> = parts.map(Mutex::new).collect();
    pool.run(parts.len(), &|_, number| {
        work(number, &mut parts[number].lock().unwrap_or_else(PoisonError::into_inner));
    });
}

/// An item's index with its result, or the panic of its worker.
type Done<A> = (usize, Result<A, Box<dyn Any + Send>>);

/// Maps `items` on one thread for each worker. `consume` receives the results in input order, each
/// as soon as it and all before it are done, until it returns `Break`. Where the system refuses
/// threads, those that it gave do the work, or this one.
///
/// # Panics
/// Resumes the panic of a worker.
pub fn par_map_ordered<T, A, W>(
    items: &[T],
    workers: Vec<W>,
    consume: impl FnMut(&T, A) -> ControlFlow<()>,
) where
    T: Sync,
    A: Send,
    W: FnMut(usize, &T) -> A + Send,
{
    let count = workers.len();
    let first = (count * MAX_AHEAD).min(items.len());
    let (tickets, waiting) = channel();
    let waiting = Mutex::new(waiting);
    let (done, finished) = channel();
    for ticket in 0..first {
        // Cannot fail: the receiver is alive.
        let _ = tickets.send(ticket);
    }
    // A thread takes its worker when it runs: none is lost with a thread that the system refuses.
    let workers = Mutex::new(workers);
    let take = || workers.lock().unwrap_or_else(PoisonError::into_inner).pop();
    thread::scope(|scope| {
        let started = (0..count).take_while(|_| {
            let (done, waiting) = (done.clone(), &waiting);
            let work = move || {
                if let Some(worker) = take() {
                    worker_loop(worker, items, waiting, &done);
                }
            };
            thread::Builder::new().spawn_scoped(scope, work).is_ok()
        });
        if started.count() == 0
            && let Some(worker) = take()
        {
            return one_by_one(items, worker, consume);
        }
        drop(done);
        // Owns one end of both channels: when it returns or panics, the workers stop.
        collect(items, first, tickets, finished, consume);
    });
}

/// Maps `items` on this thread.
fn one_by_one<T, A>(
    items: &[T],
    mut worker: impl FnMut(usize, &T) -> A,
    mut consume: impl FnMut(&T, A) -> ControlFlow<()>,
) {
    for (number, item) in items.iter().enumerate() {
        let answer = worker(number, item);
        if consume(item, answer).is_break() {
            break;
        }
    }
}

/// As [`par_map_ordered`], but collects all results. `progress` receives each in order; `Break`
/// stops the workers and is the result.
///
/// # Panics
/// Resumes the panic of a worker.
pub(crate) fn par_collect_ordered<T, A, W>(
    items: &[T],
    workers: Vec<W>,
    progress: &mut dyn FnMut(&T, &A) -> ControlFlow<()>,
) -> ControlFlow<(), Vec<A>>
where
    T: Sync,
    A: Send,
    W: FnMut(usize, &T) -> A + Send,
{
    let mut answers = Vec::with_capacity(items.len());
    let mut flow = ControlFlow::Continue(());
    par_map_ordered(items, workers, |item, answer| {
        flow = progress(item, &answer);
        answers.push(answer);
        flow
    });
    flow.map_continue(|()| answers)
}

/// Processes tickets until there are none left, or nothing receives the results.
fn worker_loop<T, A>(
    mut worker: impl FnMut(usize, &T) -> A,
    items: &[T],
    waiting: &Mutex<Receiver<usize>>,
    done: &Sender<Done<A>>,
) {
    let next = || waiting.lock().unwrap_or_else(PoisonError::into_inner).recv();
    while let Ok(ticket) = next() {
        let answer = catch_unwind(AssertUnwindSafe(|| worker(ticket, &items[ticket])));
        if done.send((ticket, answer)).is_err() {
            return;
        }
    }
}

#[expect(
    clippy::needless_pass_by_value,
    reason = "dropping the channels' ends tells the workers to stop"
)]
fn collect<T, A>(
    items: &[T],
    first: usize,
    tickets: Sender<usize>,
    finished: Receiver<Done<A>>,
    mut consume: impl FnMut(&T, A) -> ControlFlow<()>,
) {
    let mut more = first..items.len();
    let mut out_of_order = BTreeMap::new();
    for (number, item) in items.iter().enumerate() {
        while !out_of_order.contains_key(&number) {
            let (number, answer) = finished.recv().expect("workers end only after the last ticket");
            out_of_order.insert(number, answer.unwrap_or_else(|panic| resume_unwind(panic)));
        }
        let answer = out_of_order.remove(&number).expect("it has just come");
        if consume(item, answer).is_break() {
            return;
        }
        if let Some(ticket) = more.next() {
            // A worker that is gone has panicked, which its next result reports.
            let _ = tickets.send(ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::ops::ControlFlow::{Break, Continue};
    use std::panic::catch_unwind;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread::sleep;
    use std::time::Duration;

    use super::{MAX_AHEAD, WorkSplit, par_collect_ordered, par_map_ordered};

    /// A worker that is slowest with the first items.
    fn square(_: usize, item: &u64) -> u64 {
        sleep(Duration::from_micros(1000 / (item + 1)));
        item * item
    }

    #[test]
    fn answers_come_in_the_order_of_the_items() {
        let items: Vec<u64> = (0..100).collect();
        for workers in [1, 2, 7] {
            let mut answers = Vec::new();
            par_map_ordered(&items, vec![square; workers], |item, answer| {
                answers.push((*item, answer));
                Continue(())
            });
            assert!(answers.iter().copied().eq(items.iter().map(|&item| (item, item * item))));
        }
    }

    #[test]
    fn nothing_comes_of_nothing() {
        par_map_ordered(&[], vec![square; 2], |_, _| panic!("there is no item"));
    }

    #[test]
    fn workers_do_not_run_far_ahead() {
        let items = [(); 1000];
        let started = AtomicUsize::new(0);
        let worker = |_, (): &()| started.fetch_add(1, Ordering::SeqCst);
        let mut taken = 0;
        par_map_ordered(&items, vec![worker; 3], |(), _| {
            taken += 1;
            assert!(started.load(Ordering::SeqCst) < taken + 3 * MAX_AHEAD + 1);
            Continue(())
        });
    }

    #[test]
    fn breaking_off_stops_the_workers() {
        let items = [0; 1000];
        let mut taken = 0;
        par_map_ordered(&items, vec![square; 3], |_, _| {
            taken += 1;
            if taken == 5 { Break(()) } else { Continue(()) }
        });
        assert_eq!(taken, 5);
    }

    #[test]
    fn all_answers_are_kept_unless_somebody_stops_it() {
        let items: Vec<u64> = (0..100).collect();
        for workers in [1, 3] {
            let mut seen = 0;
            let mut progress = |item: &u64, answer: &u64| {
                assert!(*answer == item * item && *item == seen);
                seen += 1;
                Continue(())
            };
            let answers = par_collect_ordered(&items, vec![square; workers], &mut progress);
            let Continue(answers) = answers else { panic!("it was stopped") };
            assert!(answers.into_iter().eq(items.iter().map(|item| item * item)));
        }
        let mut seen = 0;
        let stopped = par_collect_ordered(&items, vec![square; 2], &mut |_, _| {
            seen += 1;
            if seen < 5 { Continue(()) } else { Break(()) }
        });
        assert!(stopped.is_break() && seen == 5);
    }

    #[test]
    fn threads_are_shared_among_items() {
        assert_eq!(WorkSplit::new(8, 1), WorkSplit { workers: 1, threads: 8 });
        assert_eq!(WorkSplit::new(8, 3), WorkSplit { workers: 3, threads: 2 });
        assert_eq!(WorkSplit::new(8, 100), WorkSplit { workers: 8, threads: 1 });
        assert_eq!(WorkSplit::new(1, 100), WorkSplit { workers: 1, threads: 1 });
    }

    #[test]
    fn a_panic_is_passed_on() {
        let worker = |number: usize, (): &()| assert!(number != 7, "seven");
        let outcome =
            catch_unwind(|| par_map_ordered(&[(); 100], vec![worker; 2], |(), ()| Continue(())));
        assert_eq!(outcome.unwrap_err().downcast_ref::<&str>(), Some(&"seven"));
    }
}
