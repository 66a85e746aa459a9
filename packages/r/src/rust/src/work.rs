//! Long calls: on another thread than R's, with progress, until Ctrl-C.
//!
//! ```text
//! R's thread:       every 50 ms: interrupts, progress
//!                        │ cancels       ▲ counts
//!                        ▼               │
//! another thread:   the work, and its workers; they never call R
//! ```

use std::any::Any;
use std::convert::Infallible;
use std::ops::ControlFlow;
use std::panic;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use lorgnette::parallel::par_map_ordered;
use lorgnette::Progress;
use savvy::{FunctionArgs, FunctionSexp};

use crate::error::{message, Failure};
use crate::photo::Photo;

/// Time between two looks at R's interrupts.
const LOOK_INTERVAL: Duration = Duration::from_millis(50);

/// The answer about a photo, or why there is none.
pub(crate) type Answered<A> = Result<A, String>;

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

    /// Observes the tiles of a photo.
    pub(crate) fn tiles(&self) -> impl FnMut(&Progress) -> ControlFlow<()> + '_ {
        |_: &Progress| self.flow()
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
    fn look(&self, progress: Option<&FunctionSexp>) -> savvy::Result<()> {
        check_interrupt()?;
        let Some(progress) = progress else { return Ok(()) };
        let mut arguments = FunctionArgs::new();
        arguments.add("done", self.done.load(Ordering::Relaxed) as f64)?;
        arguments.add("total", self.total.load(Ordering::Relaxed) as f64)?;
        progress.call(arguments).map(drop)
    }
}

/// Lets R's events be seen. Returns an error if the user interrupts: R goes on with the interrupt
/// once it is returned.
fn check_interrupt() -> savvy::Result<()> {
    extern "C" {
        fn R_CheckUserInterrupt();
    }
    // SAFETY: this is R's thread. If R jumps out of its function, nothing of Rust's lies between.
    unsafe {
        savvy::unwind_protect(|| {
            R_CheckUserInterrupt();
            savvy::sexp::null::null()
        })
    }
    .map(drop)
}

/// Runs `work` on another thread. `progress` is called with the number of items that are done, and
/// of all.
///
/// # Errors
/// As `work`; R's interrupt after Ctrl-C; the condition of `progress`.
pub(crate) fn interruptible<T: Send>(
    progress: Option<&FunctionSexp>,
    work: impl FnOnce(&Watch) -> Result<T, Failure> + Send,
) -> savvy::Result<T> {
    let watch = Watch::default();
    // The hook that savvy sets prints by R, which only R's thread may call.
    let hook = panic::take_hook();
    panic::set_hook(Box::new(|_| {}));
    let result = watched(&watch, progress, work);
    panic::set_hook(hook);
    let value = result?;
    watch.look(progress)?;
    Ok(value)
}

fn watched<T: Send>(
    watch: &Watch,
    progress: Option<&FunctionSexp>,
    work: impl FnOnce(&Watch) -> Result<T, Failure> + Send,
) -> savvy::Result<T> {
    thread::scope(|scope| {
        let (running, end) = mpsc::channel::<Infallible>();
        let worker = scope.spawn(move || {
            let _running = running;
            work(watch)
        });
        let mut stopped = None;
        while end.recv_timeout(LOOK_INTERVAL) == Err(RecvTimeoutError::Timeout) {
            if stopped.is_none() {
                stopped = watch.look(progress).err();
                watch.is_cancelled.store(stopped.is_some(), Ordering::Relaxed);
            }
        }
        let result = worker.join().unwrap_or_else(|panic| Err(panicked(&*panic)));
        match stopped {
            Some(error) => Err(error),
            None => Ok(result?),
        }
    })
}

fn panicked(panic: &(dyn Any + Send)) -> Failure {
    let text = panic.downcast_ref::<&str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    let text = text.unwrap_or("no message");
    Failure::new(format!("a fault of lorgnette itself, please report it: {text}"))
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
    par_map_ordered(photos, by_number.collect(), |_, answer| {
        answers.push(answer.map_err(|error| message(&error)));
        watch.advance();
        watch.flow()
    });
    answers
}
