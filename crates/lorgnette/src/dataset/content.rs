//! Digests of photos, and deduplication.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sha2::{Digest as _, Sha256};

use super::{Dataset, Example, ListedPhoto, Listing, RejectedPhoto, RejectionReason};
use crate::error::Error;
use crate::observer::{Observer, Progress};
use crate::parallel::par_collect_ordered;
use crate::picture::OpenOptions;
use crate::record_photo;

/// The SHA-256 of a file's content, as `sha256sum` prints it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// Returns the digest of bytes in memory.
    #[must_use]
    pub fn from_bytes(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Digest {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no SHA-256 of 64 hexadecimal digits");
        let mut digest = [0; 32];
        let is_hexadecimal = text.bytes().all(|digit| digit.is_ascii_hexdigit());
        if text.len() != 2 * digest.len() || !is_hexadecimal {
            return Err(wrong());
        }
        for (byte, digits) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
            let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| wrong())?;
        }
        Ok(Self(digest))
    }
}

/// Returns the digest of each photo, or an error message, computed on `threads` threads.
///
/// # Errors
/// [`Error::Cancelled`] if the observer cancels.
pub fn digests<P: AsRef<Path> + Sync>(
    photos: &[P],
    threads: usize,
    observer: &mut dyn Observer,
) -> Result<Vec<Result<Digest, String>>, Error> {
    let mut done = 0;
    let workers = vec![|_: usize, photo: &P| digest(photo.as_ref()); threads.max(1)];
    let digests = par_collect_ordered(photos, workers, &mut |_, _| {
        done += 1;
        observer.event(&Progress { done, total: photos.len() })
    });
    digests.continue_value().ok_or(Error::Cancelled)
}

/// Computes the digest of a file in small pieces.
fn digest(photo: &Path) -> Result<Digest, String> {
    let name = photo.display();
    let unreadable = |error: io::Error| format!("{name}: cannot be read: {error}");
    let max = OpenOptions::default().max_bytes;
    if let Some((file, position)) = record_photo::split(photo) {
        let bytes = record_photo::read(file, position, max).map_err(unreadable)?;
        return Ok(Digest::from_bytes(&bytes));
    }
    // Opening a pipe would block.
    let metadata = photo.metadata().map_err(unreadable)?;
    if !metadata.is_file() {
        return Err(format!("{name}: it is no file"));
    }
    if metadata.len() > max {
        return Err(format!("{name}: the file has more than the {max} bytes allowed"));
    }
    if metadata.len() == 0 {
        return Err(format!("{name}: the file is empty"));
    }
    let mut digest = Sha256::new();
    let mut file = File::open(photo).map_err(unreadable)?;
    let mut piece = vec![0; 1 << 16];
    loop {
        match file.read(&mut piece).map_err(unreadable)? {
            0 => return Ok(Digest(digest.finalize().into())),
            n => digest.update(&piece[..n]),
        }
    }
}

/// Photos and labels of one content.
struct Content {
    first: usize,
    others: Vec<usize>,
    classes: Vec<usize>,
    conflicting: bool,
}

/// Returns the dataset of all readable photos, each content once.
pub(super) fn deduplicate(listing: Listing, digests: Vec<Result<Digest, String>>) -> Dataset {
    let Listing { photos, classes, mut rejected, notes, multi_label, passed_over, .. } = listing;
    let index: HashMap<&str, usize> =
        classes.iter().enumerate().map(|(i, name)| (name.as_str(), i)).collect();
    let mut order: Vec<Digest> = Vec::new();
    let mut contents: HashMap<Digest, Content> = HashMap::new();
    for (number, (listed, digest)) in photos.iter().zip(digests).enumerate() {
        let digest = match digest {
            Ok(digest) => digest,
            Err(message) => {
                rejected.push(RejectedPhoto {
                    photo: listed.photo.clone(),
                    reason: RejectionReason::Unreadable,
                    message,
                });
                continue;
            }
        };
        let mut labels: Vec<usize> =
            listed.labels.iter().map(|label| index[label.as_str()]).collect();
        labels.sort_unstable();
        labels.dedup();
        match contents.get_mut(&digest) {
            None => {
                order.push(digest);
                contents.insert(
                    digest,
                    Content {
                        first: number,
                        others: Vec::new(),
                        classes: labels,
                        conflicting: false,
                    },
                );
            }
            Some(contents) => {
                contents.conflicting |= contents.classes != labels && !multi_label;
                contents.others.push(number);
                contents.classes.extend(labels);
                contents.classes.sort_unstable();
                contents.classes.dedup();
            }
        }
    }
    let mut examples = Vec::new();
    for digest in order {
        let found = &contents[&digest];
        rejected.extend(rejected_duplicates(found, &photos));
        if !found.conflicting {
            let ListedPhoto { photo, split, .. } = &photos[found.first];
            // The strictest split: a test photo must not be trained on.
            let split = found.others.iter().map(|&i| photos[i].split).fold(*split, Ord::max);
            examples.push(Example {
                photo: photo.clone(),
                digest,
                classes: found.classes.clone(),
                split,
            });
        }
    }
    Dataset { classes, examples, rejected, notes, multi_label, passed_over }
}

/// Maximum number of copies that a message names.
const MAX_NAMED_COPIES: usize = 4;

/// Returns the rejected photos of one content.
fn rejected_duplicates(contents: &Content, photos: &[ListedPhoto]) -> Vec<RejectedPhoto> {
    let rejection =
        |reason, photo: &PathBuf, message| RejectedPhoto { photo: photo.clone(), reason, message };
    let first = &photos[contents.first];
    if !contents.conflicting {
        let other = |&number: &usize| {
            let photo = &photos[number].photo;
            let message =
                format!("{}: the same photo as {}", photo.display(), first.photo.display());
            rejection(RejectionReason::Duplicate, photo, message)
        };
        return contents
            .others
            .iter()
            .filter(|&&n| photos[n].photo != first.photo)
            .map(other)
            .collect();
    }
    let all: Vec<&ListedPhoto> =
        [contents.first].iter().chain(&contents.others).map(|&n| &photos[n]).collect();
    let contradiction = |listed: &&ListedPhoto| {
        // There may be thousands of copies, such as a page that says a photo is gone.
        let mut named: Vec<String> = all
            .iter()
            .filter(|other| (&other.photo, &other.labels) != (&listed.photo, &listed.labels))
            .take(MAX_NAMED_COPIES)
            .map(|other| format!("{} ('{}')", other.photo.display(), other.labels.join("', '")))
            .collect();
        let others = all.len() - 1;
        if others > MAX_NAMED_COPIES {
            named.push(format!("{} others", others - named.len()));
        }
        let (photo, labels) = (listed.photo.display(), listed.labels.join("', '"));
        let message =
            format!("{photo}: it is '{labels}', and the same photo as {}", named.join(" and "));
        rejection(RejectionReason::ConflictingLabels, &listed.photo, message)
    };
    all.iter().map(contradiction).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of `copies` photos of one content under two classes.
    fn messages(copies: usize) -> Vec<String> {
        let photos = (0..copies).map(|number| ListedPhoto {
            photo: format!("{number}.jpg").into(),
            labels: vec![["cat", "dog"][number % 2].into()],
            split: None,
        });
        let listing = Listing {
            photos: photos.collect(),
            classes: vec!["cat".into(), "dog".into()],
            rejected: Vec::new(),
            notes: Vec::new(),
            ..Listing::default()
        };
        let digests = vec![Ok(Digest([7; 32])); copies];
        let rejected = deduplicate(listing, digests).rejected;
        rejected.into_iter().map(|rejected| rejected.message).collect()
    }

    #[test]
    fn contradictions_are_named_in_linear_memory() {
        let two = messages(2);
        assert_eq!(two[0], "0.jpg: it is 'cat', and the same photo as 1.jpg ('dog')");
        let length = |copies| messages(copies).iter().map(String::len).sum::<usize>();
        assert!(length(4000) < 2 * length(2000) + 4000 * 8);
        assert!(messages(9)[0].ends_with(" and 4 others"), "{}", messages(9)[0]);
    }
}
