//! Analysis of photos by many machines.
//!
//! ```text
//! manifest ─▶ shards ─▶ a part and its failures each ─▶ merged into one library
//!             (each on any machine, in any order, as often as it takes)
//! ```
//!
//! A shard is a range of a manifest's photos. Its part depends on the photos, the model, the
//! options and the instruction set alone, so a shard that runs twice gives the same bytes, and
//! files appear whole or not at all. The scheduler can be anything that starts processes.

mod analyse;
mod columns;
mod manifest;
mod merge;
mod part;
mod run;

use std::str::FromStr;

pub use analyse::{FleetAnalyser, FleetWorker, LoadedPhoto};
pub use manifest::{Listed, Manifest};
pub use merge::{MergeOptions, MergeSummary, merge};
pub use run::{Existing, FleetRun, ShardSummary};

/// One of equal ranges of a manifest's photos.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shard {
    /// Number of the range, from 0.
    pub index: usize,
    /// Number of ranges.
    pub count: usize,
}

impl Shard {
    /// The whole manifest.
    pub const WHOLE: Self = Self { index: 0, count: 1 };

    /// Returns the rows of this shard of so many photos. Shards differ by one photo at most.
    #[must_use]
    pub fn rows(self, photos: usize) -> std::ops::Range<usize> {
        let start = |index: usize| (index as u128 * photos as u128 / self.count as u128) as usize;
        start(self.index)..start(self.index + 1)
    }
}

impl FromStr for Shard {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        /// Maximum number of shards, which names of parts have room for.
        const MAX_SHARDS: usize = 10_000_000;
        let (index, count) = text.split_once('/').unwrap_or_default();
        let numbers = index.trim().parse().ok().zip(count.trim().parse().ok());
        match numbers {
            Some((index, count)) if index < count && count <= MAX_SHARDS => {
                Ok(Self { index, count })
            }
            Some((_, count @ 1..=MAX_SHARDS)) => {
                Err(format!("of {count} shards the last is {}/{count}", count - 1))
            }
            _ => Err(format!("give K/N, such as 0/100 for the first of 100, N up to {MAX_SHARDS}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Shard;

    #[test]
    fn shards_cover_every_photo_once() {
        for (photos, count) in [(10, 3), (3, 10), (0, 4), (100_000_000, 9973)] {
            let mut next = 0;
            for index in 0..count {
                let rows = Shard { index, count }.rows(photos);
                assert_eq!(rows.start, next);
                assert!(rows.len() <= photos / count + 1);
                next = rows.end;
            }
            assert_eq!(next, photos);
        }
    }

    #[test]
    fn a_shard_is_a_number_of_a_number() {
        assert_eq!("3/100".parse(), Ok(Shard { index: 3, count: 100 }));
        let error = "100/100".parse::<Shard>().unwrap_err();
        assert_eq!(error, "of 100 shards the last is 99/100");
        for wrong in ["", "1", "/", "a/b", "1/0", "0/0", "-1/5", "1/99999999999"] {
            assert!(wrong.parse::<Shard>().is_err(), "{wrong}");
        }
    }
}
