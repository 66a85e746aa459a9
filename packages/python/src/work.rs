//! Long calls: without the interpreter lock, with progress, until Ctrl-C.
//!
//! ```text
//! caller's thread:  every 50 ms: signals, progress (with the lock, for a moment)
//!                        │ cancels                  ▲ counts
//!                        ▼                          │
//! another thread:   the work, and its workers (without the lock)
//! ```

use std::convert::Infallible;
use std::ops::ControlFlow;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use lorgnette::FailedPhoto;
use lorgnette::parallel::par_map_ordered;
use pyo3::prelude::*;

use crate::error::message;
use crate::photo::Photo;

/// Time between two looks at Python's signals.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The answer about a photo, or why there is none.
pub(crate) type Answered<A> = Result<A, FailedPhoto>;

/// A long call, as its two threads see it.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    is_cancelled: AtomicBool,
    done: AtomicUsize,
    total: AtomicUsize,
}

impl Watch {
    /// `Break` once the call is cancelled.
    pub(crate) fn flow(&self) -> ControlFlow<()> {
        if self.is_cancelled.load(Ordering::Relaxed) {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    }

    /// Counts an item that is done.
    pub(crate) fn advance(&self) {
        self.done.fetch_add(1, Ordering::Relaxed);
    }

    /// Sets the number of items that are done, and of all.
    pub(crate) fn set(&self, done: usize, total: usize) {
        self.done.store(done, Ordering::Relaxed);
        self.total.store(total, Ordering::Relaxed);
    }

    /// Sees Ctrl-C, and tells `progress` how many items are done, and how many there are.
    fn look(&self, py: Python<'_>, progress: Option<&Py<PyAny>>) -> PyResult<()> {
        py.check_signals()?;
        match progress {
            Some(progress) => {
                let done = self.done.load(Ordering::Relaxed);
                progress.call1(py, (done, self.total.load(Ordering::Relaxed))).map(drop)
            }
            None => Ok(()),
        }
    }
}

/// Runs `work` on another thread without the interpreter lock. `progress` is called with the number
/// of items that are done, and of all.
///
/// # Errors
/// As `work`; `KeyboardInterrupt` after Ctrl-C; the exception of `progress`.
pub(crate) fn interruptible<T: Send>(
    py: Python<'_>,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce(&Watch) -> PyResult<T> + Send,
) -> PyResult<T> {
    let watch = Watch::default();
    let result = py.detach(|| watched(&watch, progress, work))?;
    watch.look(py, progress)?;
    Ok(result)
}

fn watched<T: Send>(
    watch: &Watch,
    progress: Option<&Py<PyAny>>,
    work: impl FnOnce(&Watch) -> PyResult<T> + Send,
) -> PyResult<T> {
    thread::scope(|scope| {
        let (running, end) = mpsc::channel::<Infallible>();
        let worker = scope.spawn(move || {
            let _running = running;
            work(watch)
        });
        let mut stopped = None;
        while end.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            if stopped.is_none() {
                stopped = Python::attach(|py| watch.look(py, progress)).err();
                watch.is_cancelled.store(stopped.is_some(), Ordering::Relaxed);
            }
        }
        let result = worker.join().unwrap_or_else(|panic| resume_unwind(panic));
        stopped.map_or(result, Err)
    })
}

/// Maps photos with `workers`, one thread each; answers are in the photos' order. Ends early if
/// the call is cancelled.
pub(crate) fn answer_photos<A, W>(
    watch: &Watch,
    photos: &[Photo],
    workers: Vec<W>,
) -> Vec<Answered<A>>
where
    A: Send,
    W: Fn(&Photo) -> Result<A, lorgnette::Error> + Send,
{
    let mut answers = Vec::with_capacity(photos.len());
    let by_number = workers.into_iter().map(|worker| move |_: usize, photo: &Photo| worker(photo));
    watch.set(0, photos.len());
    par_map_ordered(photos, by_number.collect(), |photo, answer| {
        answers.push(answer.map_err(|error| {
            let mut failed = FailedPhoto::new(photo.name(), &error);
            failed.error = message(&error);
            failed
        }));
        watch.advance();
        watch.flow()
    });
    answers
}
