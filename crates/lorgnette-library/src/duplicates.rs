//! Groups of photos with equal bytes or nearly equal features.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::path::PathBuf;

use rusqlite::params;

use crate::bytes;
use crate::error::Result;
use crate::feature::{Feature, SIGNATURE_BITS, SIGNATURE_BYTES, distance};
use crate::library::Library;
use crate::photo::{Photo, State};
use crate::signature;

/// Bits of a band. Two signatures are compared only if they have an equal band. A tenth of the bits
/// of nearly equal photos differ; the probability that none of the 32 bands is equal is then (1 −
/// 0.9¹⁶)³² = 0.2 %.
const BAND_BITS: usize = 16;
/// Maximum number of features with an equal band that are compared pairwise; in larger buckets,
/// each is compared only with the next ones.
const MAX_COMPARISONS: usize = 512;
/// Maximum number of photos whose features one photo's are compared with, over all bands: those of
/// a scene that was photographed thousands of times are alike, and yet not alike enough.
const MAX_FEATURES_COMPARED: u16 = 1024;

/// How alike photos are joined.
struct Likeness {
    model: i64,
    /// Least cosine of the features.
    threshold: f64,
    /// Greatest number of different bits of the signatures.
    max_distance: u32,
}

/// The groups so far.
struct Groups {
    sets: UnionFind,
    /// The number of features that each was compared with.
    compared: Vec<u16>,
}

/// A group of duplicates.
#[derive(Clone, Debug, PartialEq)]
pub struct DuplicateGroup {
    /// Paths in ascending order.
    pub photos: Vec<PathBuf>,
    /// Minimum similarity that joins the group; 1 for equal bytes.
    pub similarity: f64,
}

impl Library {
    /// Returns groups of photos whose files have equal bytes.
    ///
    /// # Errors
    /// If the library cannot be read.
    pub fn duplicates(&self) -> Result<Vec<DuplicateGroup>> {
        let sql = "SELECT digest, path FROM photo WHERE state = ?1 AND digest IN
                   (SELECT digest FROM photo \
                   WHERE state = ?1 GROUP BY digest HAVING count(*) > 1) ORDER BY path";
        let mut statement = self.connection().prepare(sql)?;
        let mut rows = statement.query([State::Present])?;
        let mut groups: BTreeMap<Vec<u8>, Vec<PathBuf>> = BTreeMap::new();
        while let Some(row) = rows.next()? {
            groups.entry(row.get(0)?).or_default().push(bytes::path_at(row, 1)?);
        }
        Ok(sorted(
            groups.into_values().map(|photos| DuplicateGroup { photos, similarity: 1.0 }).collect(),
        ))
    }

    /// Returns the photos of a group, the one to keep first: that with the most pixels, then that
    /// with the largest file, then the oldest, then that with the shortest path.
    ///
    /// # Errors
    /// If the library cannot be read.
    pub fn best_first(&self, group: &DuplicateGroup) -> Result<Vec<Photo>> {
        let photos = group.photos.iter().map(|path| self.photo(path));
        let mut photos = photos.collect::<Result<Vec<Photo>>>()?;
        photos.sort_by_cached_key(|photo| {
            let pixels = photo.size.map(|[width, height]| u64::from(width) * u64::from(height));
            let path = bytes::from_path(&photo.path).to_vec();
            let (modified, length, path) = order_of_copies(photo.modified, path);
            (Reverse(pixels), Reverse(photo.bytes), modified, length, path)
        });
        Ok(photos)
    }

    /// Returns groups of photos that are linked by features of `model` at least as similar as
    /// `threshold`, equal bytes included.
    ///
    /// # Errors
    /// If the library cannot be read.
    pub fn near_duplicates(&self, model: i64, threshold: f64) -> Result<Vec<DuplicateGroup>> {
        let features = signature::all(self.connection(), model)?;
        let count = features.len();
        let mut groups = Groups { sets: UnionFind::new(count), compared: vec![0; count] };
        let likeness = Likeness { model, threshold, max_distance: max_distance(threshold) };
        for band in 0..SIGNATURE_BITS / BAND_BITS {
            let mut order: Vec<usize> = (0..features.len()).collect();
            let bits = |index: usize| features[index].1.as_chunks::<{ BAND_BITS / 8 }>().0[band];
            order.sort_by_key(|&index| (bits(index), index));
            for bucket in order.chunk_by(|&a, &b| bits(a) == bits(b)) {
                self.compare(&likeness, &features, bucket, &mut groups)?;
            }
        }
        self.with_paths(model, &features, groups.sets)
    }

    /// Joins similar features among those with an equal band.
    fn compare(
        &self,
        likeness: &Likeness,
        features: &[(i64, [u8; SIGNATURE_BYTES])],
        bucket: &[usize],
        groups: &mut Groups,
    ) -> Result<()> {
        for (at, &one) in bucket.iter().enumerate() {
            for &other in bucket[at + 1..].iter().take(MAX_COMPARISONS) {
                if groups.compared[one] >= MAX_FEATURES_COMPARED
                    || groups.sets.find(one) == groups.sets.find(other)
                    || distance(&features[one].1, &features[other].1) > likeness.max_distance
                {
                    continue;
                }
                groups.compared[one] += 1;
                let pair =
                    [features[one].0, features[other].0].map(|id| self.feature(likeness.model, id));
                let [Some(a), Some(b)] = pair.map(Result::unwrap_or_default) else { continue };
                let similarity = a.cosine(&b);
                if similarity >= likeness.threshold {
                    groups.sets.union(one, other, similarity);
                }
            }
        }
        Ok(())
    }

    fn feature(&self, model: i64, id: i64) -> Result<Option<Feature>> {
        let sql = "SELECT vector, features FROM feature JOIN model ON model.id = model \
                   WHERE feature.id = ? AND model = ?";
        let mut statement = self.connection().prepare_cached(sql)?;
        Ok(statement
            .query_map(params![id, model], Feature::from_row)?
            .next()
            .transpose()?
            .flatten())
    }

    /// Returns the groups of at least two present photos.
    fn with_paths(
        &self,
        model: i64,
        features: &[(i64, [u8; SIGNATURE_BYTES])],
        mut groups: UnionFind,
    ) -> Result<Vec<DuplicateGroup>> {
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for index in 0..features.len() {
            members.entry(groups.find(index)).or_default().push(index);
        }
        let sql = "SELECT path FROM feature JOIN photo ON photo.id = photo \
                   WHERE feature.id = ? AND model = ? AND state = ?";
        let mut statement = self.connection().prepare_cached(sql)?;
        let mut with_paths = Vec::new();
        for (root, members) in members.into_iter().filter(|(_, members)| members.len() > 1) {
            let mut photos = Vec::new();
            for id in members.into_iter().map(|index| features[index].0) {
                let mut rows = statement.query(params![id, model, State::Present])?;
                if let Some(row) = rows.next()? {
                    photos.push(bytes::path_at(row, 0)?);
                }
            }
            photos.sort();
            if photos.len() > 1 {
                with_paths.push(DuplicateGroup { photos, similarity: groups.similarity[root] });
            }
        }
        Ok(sorted(with_paths))
    }
}

/// Orders photos of equal bytes, the one to keep first: the oldest, then that with the shortest
/// path. A search that folds copies shows the same one.
pub(crate) fn order_of_copies<P: AsRef<[u8]>>(modified: i64, path: P) -> (i64, usize, P) {
    (modified, path.as_ref().len(), path)
}

/// Maximum number of differing signature bits for features whose cosine is `threshold`. Signatures
/// are computed after subtracting the mean, which increases the angle: at most to twice, as long as
/// the squared means are under three quarters. Three standard deviations are added. Half the bits
/// carry no information.
fn max_distance(threshold: f64) -> u32 {
    let bits = SIGNATURE_BITS as f64;
    let expected = bits * 2.0 * threshold.clamp(-1.0, 1.0).acos() / std::f64::consts::PI;
    (expected + 3.0 * (bits / 4.0).sqrt()).min(0.45 * bits) as u32
}

/// Sorts by size in descending order, then by path.
fn sorted(mut groups: Vec<DuplicateGroup>) -> Vec<DuplicateGroup> {
    groups
        .sort_by(|a, b| b.photos.len().cmp(&a.photos.len()).then_with(|| a.photos.cmp(&b.photos)));
    groups
}

/// Disjoint sets (Galler and Fischer, 1964), with the smallest similarity that joined each.
struct UnionFind {
    parent: Vec<usize>,
    similarity: Vec<f64>,
}

impl UnionFind {
    fn new(members: usize) -> Self {
        Self { parent: (0..members).collect(), similarity: vec![1.0; members] }
    }

    fn find(&mut self, mut member: usize) -> usize {
        while self.parent[member] != member {
            self.parent[member] = self.parent[self.parent[member]];
            member = self.parent[member];
        }
        member
    }

    fn union(&mut self, one: usize, other: usize, similarity: f64) {
        let (one, other) = (self.find(one), self.find(other));
        let (low, high) = (one.min(other), one.max(other));
        self.parent[high] = low;
        self.similarity[low] = self.similarity[low].min(self.similarity[high]).min(similarity);
    }
}
