//! Long calls for a host language, such as Python: on another thread than the host's, with
//! progress, until the host cancels.
//!
//! ```text
//! host's thread:    every 50 ms: a look at its interrupts and its progress
//!                        │ cancels       ▲ counts
//!                        ▼               │
//! another thread:   the work, and its workers; they never call the host
//! ```

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::observer::Progress;
use crate::parallel::par_map_ordered;

/// Time between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// A long call, as its two threads see it.
#[derive(Debug, Default)]
pub struct Watch {
    is_cancelled: AtomicBool,
    done: AtomicUsize,
    total: AtomicUsize,
}

impl Watch {
    /// Returns `Break` once the call is cancelled.
    pub fn flow(&self) -> ControlFlow<()> {
        if self.is_cancelled.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Observes progress that is not counted, such as that of a photo's tiles.
    pub fn uncounted(&self) -> impl FnMut(&Progress) -> ControlFlow<()> + '_ {
        |_: &Progress| self.flow()
    }

    /// Observes progress that is counted.
    pub fn counted(&self) -> impl FnMut(&Progress) -> ControlFlow<()> + '_ {
        |progress: &Progress| {
            self.set(*progress);
            self.flow()
        }
    }

    /// Sets the number of items that are done, and of all.
    pub fn set(&self, progress: Progress) {
        self.done.store(progress.done, Ordering::Relaxed);
        self.total.store(progress.total, Ordering::Relaxed);
    }

    /// The number of items that are done, and of all.
    pub fn progress(&self) -> Progress {
        let (done, total) = (&self.done, &self.total);
        Progress { done: done.load(Ordering::Relaxed), total: total.load(Ordering::Relaxed) }
    }

    /// Maps items with `workers`, one thread each, and counts them; answers are in the items'
    /// order. Ends early if the call is cancelled.
    pub fn map<T, A, W>(&self, items: &[T], workers: Vec<W>) -> Vec<A>
    where
        T: Sync,
        A: Send,
        W: FnMut(&T) -> A + Send,
    {
        let mut answers = Vec::with_capacity(items.len());
        let by_number =
            workers.into_iter().map(|mut worker| move |_: usize, item: &T| worker(item));
        self.set(Progress { done: 0, total: items.len() });
        par_map_ordered(items, by_number.collect(), |_, answer| {
            answers.push(answer);
            self.set(Progress { done: answers.len(), total: items.len() });
            self.flow()
        });
        answers
    }

    /// Runs `work` on another thread, and `look` on this one again and again until it ends. An
    /// error of `look` cancels the work. Where the system refuses a thread, the work is done on
    /// this one, without looking. Returns what the work returned, or its panic.
    ///
    /// # Errors
    /// The error of `look`, when the work has ended.
    pub fn run<T: Send, E>(
        &self,
        mut look: impl FnMut(Progress) -> Result<(), E>,
        work: impl FnOnce(&Self) -> T + Send,
    ) -> Result<thread::Result<T>, E> {
        let work = Mutex::new(Some(work));
        let run_once = || {
            let work = work.lock().unwrap_or_else(PoisonError::into_inner).take();
            work.expect("it is run on one of two threads")(self)
        };
        thread::scope(|scope| {
            let (running, end) = mpsc::channel::<Infallible>();
            let on_a_thread = move || {
                let _running = running;
                run_once()
            };
            let Ok(worker) = thread::Builder::new().spawn_scoped(scope, on_a_thread) else {
                return Ok(catch_unwind(AssertUnwindSafe(run_once)));
            };
            let mut stopped = None;
            while end.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
                if stopped.is_none() {
                    stopped = look(self.progress()).err();
                    self.is_cancelled.store(stopped.is_some(), Ordering::Relaxed);
                }
            }
            let result = worker.join();
            stopped.map_or(Ok(result), Err)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_counted_and_returned() {
        let watch = Watch::default();
        let items = [1, 2, 3];
        let doubled =
            watch.run(|_| Ok::<_, ()>(()), |watch| watch.map(&items, vec![|item: &i32| 2 * item]));
        assert_eq!(doubled.unwrap().unwrap(), [2, 4, 6]);
        assert_eq!(watch.progress(), Progress { done: 3, total: 3 });
    }

    #[test]
    fn an_error_of_the_host_cancels_the_work() {
        let watch = Watch::default();
        let ended = watch.run(
            |progress| if progress.done > 0 { Err("interrupted") } else { Ok(()) },
            |watch| {
                watch.set(Progress { done: 1, total: 2 });
                while watch.flow().is_continue() {
                    thread::sleep(Duration::from_millis(1));
                }
            },
        );
        assert_eq!(ended.unwrap_err(), "interrupted");
    }

    #[test]
    fn a_panic_is_returned() {
        let ended = Watch::default().run(|_| Ok::<_, ()>(()), |_| panic!("on purpose"));
        assert!(ended.unwrap().is_err());
    }
}
