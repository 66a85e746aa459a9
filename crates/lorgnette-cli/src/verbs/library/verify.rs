//! `lorgnette library verify`.

use std::ops::ControlFlow;
use std::path::Path;

use anyhow::{Result, bail};
use clap::Args;
use lorgnette::picture::OpenOptions;
use lorgnette_library::{Library, printable};

use crate::Outcome;
use crate::messages::{Messages, count};
use crate::progress::Progress;

/// Check the library for damage, and optionally the photos against it
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Also read every photo and compare its digest
    #[arg(long)]
    files: bool,
}

/// Runs the verb.
pub(super) fn run(arguments: &Arguments, path: &Path, messages: Messages) -> Result<Outcome> {
    // The full-text index of names can only be checked in a writable library.
    let library = Library::open(path).or_else(|_| Library::open_read_only(path))?;
    let wrong = library.integrity()?;
    for what in &wrong {
        messages.error(&printable(what));
    }
    if !wrong.is_empty() {
        bail!("{}: damaged: {}", path.display(), count(wrong.len(), "complaint"));
    }
    let photos = library.count()?;
    messages.note(&format_args!("{}: whole, {}", path.display(), count(photos, "photo")));
    if !arguments.files {
        return Ok(Outcome::Done);
    }
    let mut progress = Progress::new(photos, "photos", messages);
    let mut different = 0;
    library.verify_files(&OpenOptions::default(), |_, difference| {
        if let Some(difference) = difference {
            different += 1;
            progress.suspend(|| messages.error(&printable(difference)));
        }
        progress.advance();
        ControlFlow::Continue(())
    })?;
    drop(progress);
    if different > 0 {
        messages.note(&format_args!("{}: index them again", count(different, "photo")));
        return Ok(Outcome::SomeFailed);
    }
    Ok(Outcome::Done)
}
