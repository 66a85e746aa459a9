//! The photos of a training, and messages about those that are left out.

use std::ops::ControlFlow;

use anyhow::{Result, bail};
use lorgnette::Error;
use lorgnette::dataset::{Dataset, Listing, RejectedPhoto, RejectionReason, Split};
use lorgnette::train::{LEFT_OUT, PreviousModel};

use super::Arguments;
use crate::interrupt::Interrupt;
use crate::messages::{Messages, count};
use crate::progress::Progress;

/// Rejected photos that are listed one by one; the file has all of them.
const MAX_LISTED: usize = 20;
/// Listed photos that only lie in other folders.
const MAX_LISTED_MISPLACED: usize = 5;

/// Lists and reads the photos, in the order of their digests; `None` if interrupted.
pub(super) fn read(
    arguments: &Arguments,
    previous: Option<&PreviousModel>,
    threads: usize,
    messages: Messages,
    interrupt: &Interrupt,
) -> Result<Option<Dataset>> {
    let mut options = arguments.dataset.listing();
    options.multi_label |= previous.is_some_and(PreviousModel::is_multi_label);
    let listing = match &arguments.folder {
        Some(folder) => Listing::open(folder, &options)?,
        None => Listing { multi_label: options.multi_label, ..Listing::default() },
    };
    let mut progress = Progress::new(listing.photos.len(), "photos", messages);
    let dataset = Dataset::read(listing, threads, &mut |_: &lorgnette::Progress| {
        progress.advance();
        if interrupt.is_pressed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    });
    drop(progress);
    let dataset = match dataset {
        Ok(dataset) => dataset,
        Err(Error::Cancelled) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let mut dataset = match previous {
        Some(previous) => previous.join(dataset)?,
        None => dataset,
    };
    // Nothing depends on where photos lie.
    dataset.examples.sort_by_key(|example| example.digest);
    Ok(Some(dataset))
}

/// Reports which photos were left out and why.
///
/// # Errors
/// With `--strict`, if a photo cannot be used.
pub(super) fn report_rejected(
    arguments: &Arguments,
    dataset: &Dataset,
    messages: Messages,
) -> Result<()> {
    let rejected = &dataset.rejected;
    let listed = listed(rejected);
    for rejected in &listed {
        messages.error(&format_args!("{} (left out)", rejected.message));
    }
    if rejected.len() > listed.len() {
        let (more, file) = (rejected.len() - listed.len(), arguments.out.join(LEFT_OUT));
        messages.error(&format_args!("and {more} more, all in {}", file.display()));
    }
    let mut reasons = Vec::new();
    for reason in RejectionReason::ALL {
        let count = with_reason(rejected, reason).count();
        if count > 0 {
            reasons.push(format!("{count} {}", reason.name()));
        }
    }
    if !rejected.is_empty() {
        let photos = count(rejected.len(), "photo");
        messages.note(&format_args!("{photos} left out: {}", reasons.join(", ")));
    }
    if !dataset.passed_over.is_empty() {
        messages.note(&format_args!("passed over: {}", dataset.passed_over));
    }
    // A photo in another folder can be used.
    let unusable = rejected.len() - with_reason(rejected, RejectionReason::Misplaced).count();
    if arguments.strict && unusable > 0 {
        bail!("--strict: {} cannot be used", count(unusable, "photo"));
    }
    Ok(())
}

/// Returns the rejected photos that are listed; misplaced ones come last.
fn listed(rejected: &[RejectedPhoto]) -> Vec<&RejectedPhoto> {
    let unusable =
        RejectionReason::ALL.into_iter().filter(|&reason| reason != RejectionReason::Misplaced);
    let unusable = unusable.flat_map(|reason| with_reason(rejected, reason));
    let misplaced = with_reason(rejected, RejectionReason::Misplaced);
    unusable.take(MAX_LISTED).chain(misplaced.take(MAX_LISTED_MISPLACED)).collect()
}

fn with_reason(
    rejected: &[RejectedPhoto],
    reason: RejectionReason,
) -> impl Iterator<Item = &RejectedPhoto> {
    rejected.iter().filter(move |rejected| rejected.reason == reason)
}

/// Describes a dataset in a line.
pub(super) fn describe(dataset: &Dataset, splits: &[Split]) -> String {
    let [training, validation, test] = Split::counts(splits);
    let classes = dataset.classes.len();
    format!(
        "{} of {classes} {}: {training} for training, {validation} for validation, {test} for test",
        count(dataset.examples.len(), "photo"),
        if classes == 1 { "class" } else { "classes" },
    )
}
