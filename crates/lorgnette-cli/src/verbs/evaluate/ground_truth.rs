//! Labels of photos: folders matched with the model's classes.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use lorgnette::Labels;
use lorgnette::dataset::{self, ListedPhoto, Listing, ListingOptions};

use super::Nested;
use crate::messages::{Messages, count};

/// Photos with their true classes, as the model's output indices.
pub(super) struct GroundTruth {
    pub(super) photos: Vec<(PathBuf, Vec<usize>)>,
    /// The names of folders or labels that are no class of the model's.
    pub(super) unmatched: Vec<String>,
    /// Photos that were left out before they were opened.
    pub(super) rejected: usize,
}

/// Lists the photos of a folder, or of a CSV file.
pub(super) fn list(folder: &Path, nested: Option<Nested>, multi_label: bool) -> Result<Listing> {
    let nested = match nested {
        None => dataset::Nested::Ignored,
        Some(Nested::Classes) => dataset::Nested::Classes,
        Some(Nested::Parts) => dataset::Nested::Parts,
    };
    Ok(Listing::open(folder, &ListingOptions { nested, multi_label })?)
}

impl GroundTruth {
    /// Finds the class of each photo. Photos without one are reported and left out.
    ///
    /// # Errors
    /// If no photo has one.
    pub(super) fn new(listing: Listing, labels: &Labels, messages: Messages) -> Result<Self> {
        let mut unmatched = Vec::new();
        let classes: Vec<Option<usize>> = listing
            .classes
            .iter()
            .map(|name| match labels.class_of_folder(name) {
                Ok(class) => Some(class),
                Err(why) => {
                    let photos =
                        listing.photos.iter().filter(|photo| photo.labels.contains(name)).count();
                    messages.note(&format_args!("{why}: {} left out", count(photos, "photo")));
                    unmatched.push(name.clone());
                    None
                }
            })
            .collect();
        listing.notes.iter().for_each(|note| messages.note(note));
        listing.rejected.iter().for_each(|rejection| messages.error(&rejection.message));
        if classes.iter().all(Option::is_none) {
            let known: Vec<&str> = labels.iter().take(5).map(|label| label.first_name()).collect();
            bail!(
                "none of the folders is called after a class of the model's ({}, …)",
                known.join(", ")
            );
        }
        let class = |name: &String| {
            listing.classes.binary_search(name).ok().and_then(|place| classes[place])
        };
        let truth = |photo: ListedPhoto| {
            let truth: Vec<usize> = photo.labels.iter().filter_map(class).collect();
            // A photo with an unknown label cannot be evaluated.
            (truth.len() == photo.labels.len() && !truth.is_empty()).then_some((photo.photo, truth))
        };
        let photos = listing.photos.into_iter().filter_map(truth).collect();
        Ok(Self { photos, unmatched, rejected: listing.rejected.len() })
    }
}
