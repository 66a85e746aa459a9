//! Counts of what a walk passed over.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

/// Files and folders that are no photos, or were left out, by kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PassedOver {
    /// Number of files by extension, in lower case; empty for none.
    pub files: BTreeMap<String, usize>,
    /// Number of hidden folders, and of hidden files with the extension of a photo.
    pub hidden: usize,
    /// Number of copies that programs made of photos, by the name of their folders.
    pub generated: BTreeMap<String, usize>,
    /// Number of files and folders that an [`Exclusion`](super::Exclusion) matches.
    pub excluded: usize,
}

/// Maximum number of extensions that are named in text.
const MAX_NAMED: usize = 12;

impl PassedOver {
    /// True if nothing was passed over.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds the counts of another walk.
    pub fn add(&mut self, other: &Self) {
        for (extension, count) in &other.files {
            *self.files.entry(extension.clone()).or_default() += count;
        }
        for (kind, count) in &other.generated {
            *self.generated.entry(kind.clone()).or_default() += count;
        }
        self.hidden += other.hidden;
        self.excluded += other.excluded;
    }
}

impl fmt::Display for PassedOver {
    /// As in `3 .mov, 1 without an extension, 2 folders @eaDir`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut kinds = Vec::new();
        let mut files: Vec<(&String, &usize)> = self.files.iter().collect();
        files.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (extension, count) in files.iter().take(MAX_NAMED) {
            kinds.push(match extension.as_str() {
                "" => format!("{count} without an extension"),
                extension => format!("{count} .{extension}"),
            });
        }
        let others: usize = files.iter().skip(MAX_NAMED).map(|(_, count)| **count).sum();
        if others > 0 {
            kinds.push(format!("{others} with other extensions"));
        }
        if self.hidden > 0 {
            kinds.push(format!("{} hidden", self.hidden));
        }
        for (kind, count) in &self.generated {
            kinds.push(format!("{count} {kind}"));
        }
        if self.excluded > 0 {
            kinds.push(format!("{} excluded", self.excluded));
        }
        f.write_str(&kinds.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_with_their_counts() {
        let mut passed_over = PassedOver { hidden: 1, excluded: 2, ..PassedOver::default() };
        passed_over.files = [("mov", 3), ("", 1), ("txt", 9)].map(|(e, n)| (e.into(), n)).into();
        passed_over.generated.insert("@eaDir".into(), 4);
        let text = "9 .txt, 3 .mov, 1 without an extension, 1 hidden, 4 @eaDir, 2 excluded";
        assert_eq!(passed_over.to_string(), text);
        let mut twice = passed_over.clone();
        twice.add(&passed_over);
        assert_eq!((twice.files["mov"], twice.excluded), (6, 4));
        assert!(PassedOver::default().is_empty() && !twice.is_empty());
    }
}
