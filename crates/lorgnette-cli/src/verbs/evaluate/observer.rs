//! Messages and progress of an evaluation.

use std::ops::ControlFlow;
use std::path::Path;

use lorgnette::evaluate::Event;
use lorgnette::{Error, Observer, error_chain};

use crate::hints;
use crate::messages::{Messages, count};
use crate::progress::Progress;

/// Prints messages and shows progress.
pub(super) struct EvaluationMessages {
    messages: Messages,
    progress: Option<Progress>,
}

impl EvaluationMessages {
    pub(super) fn new(messages: Messages) -> Self {
        Self { messages, progress: None }
    }

    /// Shows progress; a new bar begins with the first of `total` items.
    fn advance(&mut self, progress: lorgnette::Progress, noun: &'static str) {
        if progress.done == 1 {
            self.progress = Some(Progress::new(progress.total, noun, self.messages));
        }
        if let Some(bar) = &mut self.progress {
            bar.set_position(progress.done);
        }
    }

    /// Prints the error of a photo, with the photo's name.
    fn error(&self, photo: &Path, error: &Error) {
        let message = match error {
            Error::Picture(error) => error_chain(error),
            error => format!("{}: {}", photo.display(), error_chain(error)),
        };
        match &self.progress {
            Some(progress) => progress.suspend(|| self.messages.error(&message)),
            None => self.messages.error(&message),
        }
    }
}

impl Observer<Event<'_>> for EvaluationMessages {
    fn event(&mut self, event: &Event<'_>) -> ControlFlow<()> {
        match event {
            Event::Unmatched { error, photos } => {
                self.messages.note(&format_args!("{error}: {} left out", count(*photos, "photo")));
            }
            Event::Listed(listing) => {
                listing.notes.iter().for_each(|note| self.messages.note(&hints::with_hint(note)));
                listing.rejected.iter().for_each(|photo| self.messages.error(&photo.message));
                if !listing.passed_over.is_empty() {
                    self.messages.note(&format_args!("passed over: {}", listing.passed_over));
                }
            }
            Event::Compared(progress) => self.advance(*progress, "photos told apart"),
            Event::TrainingPhotos { training, photos } => {
                self.progress = None;
                self.messages.note(&format_args!(
                    "{training} of {} were used to train the model, which is too good at them: \
                     --split test leaves them out",
                    count(*photos, "photo")
                ));
            }
            Event::Scored { photo, error, progress } => {
                if let Some(error) = error {
                    self.error(photo, error);
                }
                self.advance(*progress, "photos");
            }
            _ => {}
        }
        ControlFlow::Continue(())
    }
}
