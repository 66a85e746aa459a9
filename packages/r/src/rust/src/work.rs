//! Long calls: on another thread than R's, with progress, until Ctrl-C.

use std::any::Any;
use std::panic;

use lorgnette::watch::Watch;
use lorgnette::Progress;
use savvy::{FunctionArgs, FunctionSexp};

use crate::error::{message, Failure};
use crate::photo::Photo;

/// The answer about a photo, or why there is none.
pub(crate) type Answered<A> = Result<A, String>;

/// Sees Ctrl-C, and tells `progress` how many items are done, and how many there are.
fn look(progress: Option<&FunctionSexp>, counts: Progress) -> savvy::Result<()> {
    check_interrupt()?;
    let Some(progress) = progress else { return Ok(()) };
    let mut arguments = FunctionArgs::new();
    arguments.add("done", counts.done as f64)?;
    arguments.add("total", counts.total as f64)?;
    progress.call(arguments).map(drop)
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
    let ended = watch.run(|counts| look(progress, counts), work);
    panic::set_hook(hook);
    let value = ended?.unwrap_or_else(|panic| Err(panicked(&*panic)))?;
    look(progress, watch.progress())?;
    Ok(value)
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
    let answers = watch.map(photos, workers);
    answers.into_iter().map(|answer| answer.map_err(|error| message(&error))).collect()
}
