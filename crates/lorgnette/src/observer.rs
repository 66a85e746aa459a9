//! Progress and cancelling of long calls.
//!
//! A long call reports events of one type, each as it happens. The observer answers with
//! [`ControlFlow::Break`] to cancel the call. Closures are observers:
//!
//! ```
//! use std::ops::ControlFlow;
//! use lorgnette::{Observer, Progress};
//!
//! fn count(observer: &mut dyn Observer) -> ControlFlow<()> {
//!     for done in 1..=3 {
//!         observer.event(&Progress { done, total: 3 })?;
//!     }
//!     ControlFlow::Continue(())
//! }
//!
//! let mut seen = Vec::new();
//! let outcome = count(&mut |progress: &Progress| {
//!     seen.push(progress.done);
//!     if progress.done < 2 { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
//! });
//! assert!(outcome.is_break() && seen == [1, 2]);
//! assert!(count(&mut ()).is_continue());
//! ```

use std::ops::ControlFlow;

use crate::error::{Error, Result};

/// Watches a long call and may cancel it.
///
/// `E` is the type of the call's events: [`Progress`] where there is nothing to report but a count.
/// `()` ignores all events.
pub trait Observer<E: ?Sized = Progress> {
    /// Receives an event. `Break` cancels the call as soon as it can stop.
    fn event(&mut self, event: &E) -> ControlFlow<()>;
}

impl<E: ?Sized> Observer<E> for () {
    fn event(&mut self, _event: &E) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<E: ?Sized, F: FnMut(&E) -> ControlFlow<()>> Observer<E> for F {
    fn event(&mut self, event: &E) -> ControlFlow<()> {
        self(event)
    }
}

/// Reports an event.
///
/// # Errors
/// [`Error::Cancelled`] if the observer cancels the call.
pub(crate) fn report<E>(observer: &mut (impl Observer<E> + ?Sized), event: &E) -> Result<()> {
    if observer.event(event).is_break() { Err(Error::Cancelled) } else { Ok(()) }
}

/// Progress of a call that treats equal items, such as photos or tiles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Number of items that are finished.
    pub done: usize,
    /// Number of all items.
    pub total: usize,
}
