//! Long calls: without the interpreter lock, with progress, until Ctrl-C.

use std::panic::resume_unwind;

use lorgnette::watch::Watch;
use lorgnette::{FailedPhoto, Progress};
use pyo3::prelude::*;

use crate::error::message;
use crate::photo::Photo;

/// The answer about a photo, or why there is none.
pub(crate) type Answered<A> = Result<A, FailedPhoto>;

/// Sees Ctrl-C, and tells `progress` how many items are done, and how many there are.
fn look(py: Python<'_>, progress: Option<&Py<PyAny>>, counts: Progress) -> PyResult<()> {
    py.check_signals()?;
    progress.map_or(Ok(()), |progress| progress.call1(py, (counts.done, counts.total)).map(drop))
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
    let ended =
        py.detach(|| watch.run(|counts| Python::attach(|py| look(py, progress, counts)), work))?;
    let result = ended.unwrap_or_else(|panic| resume_unwind(panic))?;
    look(py, progress, watch.progress())?;
    Ok(result)
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
    let failed = |photo: &Photo, error: &lorgnette::Error| {
        let mut failed = FailedPhoto::new(photo.name(), error);
        failed.error = message(error);
        failed
    };
    let answered = photos.iter().zip(answers);
    answered.map(|(photo, answer)| answer.map_err(|error| failed(photo, &error))).collect()
}
