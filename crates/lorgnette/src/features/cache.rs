//! Features on disk: one file, records appended one by one.
//!
//! ```text
//! file    "LORGFEAT", version (u32), zeros (u32), records
//! record  mark (u32), count of values (u32), digest of the photo (32 bytes), digest of the rest
//!         (32), checksum of the values (u32), checksum of the 76 bytes before (u32), values
//!         (float32 each)
//! ```
//! All little-endian; checksums are CRC-32C. A record is written in one piece while the file is
//! locked, so programs that run at the same time share a file. What a crash left half written is
//! detected by its checksum: reading skips it, and the next record overwrites it. So appending
//! needs neither a temporary file nor synchronisation with the disk; pruning uses both.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use lorgnette_net::AtomicFile;
use lorgnette_net::file::open_or_create_regular;

use crate::dataset::Digest;

const MAGIC: &[u8; 8] = b"LORGFEAT";
const VERSION: u32 = 1;
/// Bytes before the first record.
const START: u64 = 16;
const MARK: u32 = 0x5441_4546;
/// Bytes of a record before its values.
const HEAD: usize = 80;
/// Maximum number of values; a larger count is damage.
const MAX_VALUES: u32 = 1 << 24;

/// Cache key of features.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// Digest of the photo's content.
    pub photo: Digest,
    /// Digest of network, weights, preprocessing and augmentation.
    pub source: Digest,
}

/// A file of cached features. Several processes may use it at the same time.
#[derive(Debug)]
pub struct FeatureCache {
    path: PathBuf,
    file: File,
    records: HashMap<Key, RecordPosition>,
    /// Up to where the file has been read.
    read_to: u64,
}

/// Where a record's values are.
#[derive(Clone, Copy, Debug)]
struct RecordPosition {
    at: u64,
    count: u32,
    checksum: u32,
}

/// Statistics of a cache.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheSummary {
    /// Photos, of different content.
    pub photos: usize,
    /// Networks, preprocessings and distortions.
    pub sources: usize,
    /// Records that can be found.
    pub records: usize,
    /// Bytes of the file.
    pub bytes: u64,
}

/// Error of a cache.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CacheError {
    /// The file cannot be read or written.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The cache's file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// The file is something else.
    #[error("{path}: {what}", path = .path.display())]
    NoCache {
        /// The file.
        path: PathBuf,
        /// Description of the error.
        what: String,
    },
}

impl FeatureCache {
    /// Opens a cache, or creates it.
    ///
    /// # Errors
    /// If the file cannot be opened, or is no cache.
    pub fn open(path: &Path) -> Result<Self, CacheError> {
        let io = |source| CacheError::Io { path: path.into(), source };
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(io)?;
        }
        let file = open_or_create_regular(path).map_err(io)?;
        file.lock().map_err(io)?;
        let mut cache = Self { path: path.into(), file, records: HashMap::new(), read_to: START };
        let opened = cache.read_header().and_then(|()| cache.read_new_records());
        cache.file.unlock().map_err(io)?;
        opened.map(|_| cache)
    }

    /// Path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the features of a key; `None` if they are missing or damaged.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn get(&mut self, key: &Key) -> Result<Option<Vec<f32>>, CacheError> {
        let Some(&RecordPosition { at, count, checksum }) = self.records.get(key) else {
            return Ok(None);
        };
        let mut bytes = vec![0; count as usize * size_of::<f32>()];
        let read =
            self.file.seek(SeekFrom::Start(at)).and_then(|_| self.file.read_exact(&mut bytes));
        match read {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            other => other.map_err(|error| self.io(error))?,
        }
        if crc32c::crc32c(&bytes) != checksum {
            self.records.remove(key);
            return Ok(None);
        }
        Ok(Some(bytes.as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect()))
    }

    /// Stores features under a key.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn put(&mut self, key: &Key, features: &[f32]) -> Result<(), CacheError> {
        self.file.lock().map_err(|error| self.io(error))?;
        let put = self.put_locked(key, features);
        self.file.unlock().map_err(|error| self.io(error))?;
        put
    }

    /// Removes records of other photos or other sources, and damaged ones. Returns the number of
    /// bytes freed. The file is rewritten and replaced.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn prune(
        &mut self,
        photos: Option<&HashSet<Digest>>,
        sources: Option<&HashSet<Digest>>,
    ) -> Result<u64, CacheError> {
        self.file.lock().map_err(|error| self.io(error))?;
        let pruned = self.prune_locked(photos, sources);
        self.file.unlock().map_err(|error| self.io(error))?;
        pruned
    }

    /// Returns statistics.
    ///
    /// # Errors
    /// If the file cannot be read or written.
    pub fn summary(&self) -> Result<CacheSummary, CacheError> {
        let photos: HashSet<Digest> = self.records.keys().map(|key| key.photo).collect();
        let sources: HashSet<Digest> = self.records.keys().map(|key| key.source).collect();
        let bytes = self.file.metadata().map_err(|error| self.io(error))?.len();
        Ok(CacheSummary {
            photos: photos.len(),
            sources: sources.len(),
            records: self.records.len(),
            bytes,
        })
    }

    fn io(&self, source: io::Error) -> CacheError {
        CacheError::Io { path: self.path.clone(), source }
    }

    fn no_cache(&self, what: &str) -> CacheError {
        CacheError::NoCache { path: self.path.clone(), what: what.into() }
    }

    /// Reads the file's first bytes, or writes them.
    fn read_header(&mut self) -> Result<(), CacheError> {
        let length = self.file.metadata().map_err(|error| self.io(error))?.len();
        if length < START {
            // Empty, or left so by a crash within its first sixteen bytes.
            let mut start = Vec::new();
            self.file.read_to_end(&mut start).map_err(|error| self.io(error))?;
            if !header().starts_with(&start) {
                return Err(self.no_cache("it is no file of features: name another, or remove it"));
            }
            self.file.set_len(0).map_err(|error| self.io(error))?;
            self.file.seek(SeekFrom::Start(0)).map_err(|error| self.io(error))?;
            return self.file.write_all(&header()).map_err(|error| self.io(error));
        }
        let mut start = [0; START as usize];
        self.file.read_exact(&mut start).map_err(|error| self.io(error))?;
        match start.starts_with(MAGIC) {
            _ if start == header() => Ok(()),
            true => Err(self
                .no_cache("it is of another version of this program: name another, or remove it")),
            false => Err(self.no_cache("it is no file of features: name another, or remove it")),
        }
    }

    /// Reads records that were appended since, and returns the end of the last valid one. The
    /// caller holds the lock.
    fn read_new_records(&mut self) -> Result<u64, CacheError> {
        let length = self.file.metadata().map_err(|error| self.io(error))?.len();
        if length <= self.read_to {
            return Ok(self.read_to);
        }
        let mut file = self.file.try_clone().map_err(|error| self.io(error))?;
        file.seek(SeekFrom::Start(self.read_to)).map_err(|error| self.io(error))?;
        let mut reader = BufReader::with_capacity(1 << 16, file);
        let mut at = self.read_to;
        while at < length {
            let mut head = [0; HEAD];
            let whole = length - at >= HEAD as u64 && reader.read_exact(&mut head).is_ok();
            let record = if whole { parse(&head) } else { None };
            let end =
                record.map_or(0, |(_, position)| at + HEAD as u64 + u64::from(position.count) * 4);
            match record {
                Some((key, position)) if end <= length => {
                    self.records.insert(key, RecordPosition { at: at + HEAD as u64, ..position });
                    reader
                        .seek_relative((end - at) as i64 - HEAD as i64)
                        .map_err(|error| self.io(error))?;
                    (at, self.read_to) = (end, end);
                }
                // Damage, or the end of what a crash left: the next record begins wherever one
                // does.
                _ => match self.find_next_record(at + 1, length)? {
                    Some(next) => {
                        at = next;
                        reader.seek(SeekFrom::Start(at)).map_err(|error| self.io(error))?;
                    }
                    None => break,
                },
            }
        }
        Ok(self.read_to)
    }

    /// Returns the position of the next valid record header.
    fn find_next_record(&self, from: u64, length: u64) -> Result<Option<u64>, CacheError> {
        find_next_head(&mut &self.file, from, length).map_err(|error| self.io(error))
    }

    fn put_locked(&mut self, key: &Key, features: &[f32]) -> Result<(), CacheError> {
        if self.is_replaced() {
            *self = self.reopen()?;
        }
        let end = self.read_new_records()?;
        let record = record(key, features);
        self.file.set_len(end).map_err(|error| self.io(error))?;
        self.file.seek(SeekFrom::Start(end)).map_err(|error| self.io(error))?;
        self.file.write_all(&record).map_err(|error| self.io(error))?;
        let (_, position) = record.first_chunk().and_then(parse).expect("a valid record");
        self.records.insert(*key, RecordPosition { at: end + HEAD as u64, ..position });
        self.read_to = end + record.len() as u64;
        Ok(())
    }

    /// Whether another process has replaced the file by a pruned one.
    fn is_replaced(&self) -> bool {
        match (self.file.metadata(), fs::metadata(&self.path)) {
            (Ok(ours), Ok(there)) => !same_file(&ours, &there),
            _ => true,
        }
    }

    /// Opens and locks the file that is there now.
    fn reopen(&self) -> Result<Self, CacheError> {
        let fresh = Self::open(&self.path)?;
        fresh.file.lock().map_err(|error| fresh.io(error))?;
        Ok(fresh)
    }

    fn prune_locked(
        &mut self,
        photos: Option<&HashSet<Digest>>,
        sources: Option<&HashSet<Digest>>,
    ) -> Result<u64, CacheError> {
        self.read_new_records()?;
        let before = self.file.metadata().map_err(|error| self.io(error))?.len();
        let mut kept: Vec<(Key, RecordPosition)> =
            self.records.iter().map(|(&key, &position)| (key, position)).collect();
        kept.sort_by_key(|(_, position)| position.at);
        kept.retain(|(key, _)| {
            photos.is_none_or(|photos| photos.contains(&key.photo))
                && sources.is_none_or(|sources| sources.contains(&key.source))
        });
        let mut pruned = AtomicFile::create(&self.path).map_err(|error| self.io(error))?;
        pruned.write_all(&header()).map_err(|error| self.io(error))?;
        for (key, _) in &kept {
            if let Some(features) = self.get(key)? {
                pruned.write_all(&record(key, &features)).map_err(|error| self.io(error))?;
            }
        }
        let after = pruned.written();
        pruned.commit().map_err(|error| self.io(error))?;
        *self = self.reopen()?;
        Ok(before.saturating_sub(after))
    }
}

/// Returns the position of the next valid head of a record at `from` or behind it.
fn find_next_head(
    file: &mut (impl Read + Seek),
    mut from: u64,
    length: u64,
) -> io::Result<Option<u64>> {
    /// Bytes read at a time: few at first, for false heads may follow one another.
    const MIN_PIECE: u64 = 4 << 10;
    const MAX_PIECE: u64 = 1 << 20;
    let mut length_of_piece = MIN_PIECE;
    let is_head = |window: &[u8]| {
        window[..4] == MARK.to_le_bytes() && window.first_chunk().and_then(parse).is_some()
    };
    while from + HEAD as u64 <= length {
        let mut piece = Vec::new();
        file.seek(SeekFrom::Start(from))?;
        file.by_ref().take(length_of_piece + HEAD as u64).read_to_end(&mut piece)?;
        if let Some(position) = piece.windows(HEAD).position(is_head) {
            return Ok(Some(from + position as u64));
        }
        from += length_of_piece;
        length_of_piece = (2 * length_of_piece).min(MAX_PIECE);
    }
    Ok(None)
}

#[cfg(unix)]
fn same_file(a: &fs::Metadata, b: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    (a.dev(), a.ino()) == (b.dev(), b.ino())
}

/// Where files have no numbers that the standard library tells, one that is open cannot be replaced
/// anyway.
#[cfg(not(unix))]
fn same_file(_: &fs::Metadata, _: &fs::Metadata) -> bool {
    true
}

fn header() -> [u8; START as usize] {
    let mut header = [0; START as usize];
    header[..8].copy_from_slice(MAGIC);
    header[8..12].copy_from_slice(&VERSION.to_le_bytes());
    header
}

/// Returns the bytes of a record.
fn record(key: &Key, features: &[f32]) -> Vec<u8> {
    let values: Vec<u8> = features.iter().flat_map(|value| value.to_le_bytes()).collect();
    let mut head = [0; HEAD];
    head[..4].copy_from_slice(&MARK.to_le_bytes());
    head[4..8].copy_from_slice(&(features.len() as u32).to_le_bytes());
    head[8..40].copy_from_slice(&key.photo.0);
    head[40..72].copy_from_slice(&key.source.0);
    head[72..76].copy_from_slice(&crc32c::crc32c(&values).to_le_bytes());
    let checksum = crc32c::crc32c(&head[..76]);
    head[76..].copy_from_slice(&checksum.to_le_bytes());
    [head.as_slice(), &values].concat()
}

/// A record's head, if it is sound.
fn parse(head: &[u8; HEAD]) -> Option<(Key, RecordPosition)> {
    let word = |at: usize| u32::from_le_bytes(head[at..at + 4].try_into().expect("four bytes"));
    let digest = |at: usize| Digest(head[at..at + 32].try_into().expect("32 bytes"));
    let sound = word(0) == MARK && word(4) <= MAX_VALUES && word(76) == crc32c::crc32c(&head[..76]);
    let key = Key { photo: digest(8), source: digest(40) };
    sound.then(|| (key, RecordPosition { at: 0, count: word(4), checksum: word(72) }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(n: u8) -> Key {
        Key { photo: Digest([n; 32]), source: Digest([7; 32]) }
    }

    fn filled(path: &Path, count: u8) -> FeatureCache {
        let mut cache = FeatureCache::open(path).unwrap();
        (0..count).for_each(|n| cache.put(&key(n), &[f32::from(n); 50]).unwrap());
        cache
    }

    #[test]
    fn what_is_put_is_found_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/features");
        filled(&path, 5);
        let mut cache = FeatureCache::open(&path).unwrap();
        assert_eq!(cache.get(&key(3)).unwrap().unwrap(), [3.0; 50]);
        assert_eq!(cache.get(&key(9)).unwrap(), None);
        let other = Key { source: Digest([8; 32]), ..key(3) };
        assert_eq!(cache.get(&other).unwrap(), None);
        assert_eq!(cache.summary().unwrap().records, 5);
    }

    /// Cut off anywhere, as by a crash, it keeps what was whole, and goes on.
    #[test]
    fn a_torn_end_costs_one_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features");
        filled(&path, 3);
        let whole = fs::read(&path).unwrap();
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            let mut cache = FeatureCache::open(&path).unwrap();
            let kept = (length.saturating_sub(16) / 280) as u8;
            assert!(
                (0..3).all(|n| cache.get(&key(n)).unwrap().is_some() == (n < kept)),
                "{length}"
            );
            cache.put(&key(7), &[7.0; 50]).unwrap();
            let mut again = FeatureCache::open(&path).unwrap();
            assert_eq!(again.summary().unwrap().records, usize::from(kept) + 1, "{length}");
            assert!(again.get(&key(7)).unwrap().is_some());
        }
    }

    /// Any byte may be wrong: no wrong value is ever given, and the other records are found.
    #[test]
    fn damage_costs_one_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features");
        filled(&path, 3);
        let whole = fs::read(&path).unwrap();
        for at in START as usize..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0x10;
            fs::write(&path, &damaged).unwrap();
            let mut cache = FeatureCache::open(&path).unwrap();
            let hit = (at - 16) / 280;
            for n in 0..3 {
                let found = cache.get(&key(n)).unwrap();
                assert_eq!(found.is_some(), usize::from(n) != hit, "byte {at}, record {n}");
                assert!(found.is_none_or(|values| values == [f32::from(n); 50]));
            }
        }
    }

    #[test]
    fn two_at_a_time_lose_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features");
        std::thread::scope(|scope| {
            for start in [0, 100] {
                let path = &path;
                scope.spawn(move || {
                    let mut cache = FeatureCache::open(path).unwrap();
                    (start..start + 100)
                        .for_each(|n| cache.put(&key(n), &[f32::from(n); 20]).unwrap());
                });
            }
        });
        let mut cache = FeatureCache::open(&path).unwrap();
        assert!((0..200).all(|n| cache.get(&key(n)).unwrap().unwrap() == [f32::from(n); 20]));
    }

    #[test]
    fn pruning_keeps_what_is_asked_for_and_others_notice() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("features");
        let mut other = filled(&path, 10);
        let mut cache = FeatureCache::open(&path).unwrap();
        let photos: HashSet<Digest> = [key(2).photo, key(5).photo].into();
        assert!(cache.prune(Some(&photos), None).unwrap() > 0);
        assert_eq!(cache.summary().unwrap().records, 2);
        other.put(&key(40), &[40.0; 50]).unwrap();
        let mut again = FeatureCache::open(&path).unwrap();
        assert_eq!(again.summary().unwrap().records, 3);
        assert_eq!(again.get(&key(5)).unwrap().unwrap(), [5.0; 50]);
    }

    /// Counts the bytes that are read.
    struct Counting {
        bytes: io::Cursor<Vec<u8>>,
        read: usize,
    }

    impl Read for Counting {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let read = self.bytes.read(buffer)?;
            self.read += read;
            Ok(read)
        }
    }

    impl Seek for Counting {
        fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
            self.bytes.seek(to)
        }
    }

    /// Heads without their values follow one another: each is searched for from the one before.
    #[test]
    fn the_search_among_false_heads_reads_little() {
        let head = &record(&key(1), &[1.0; 50])[..HEAD];
        let bytes = |heads: usize| {
            let file = head.repeat(heads);
            let length = file.len() as u64;
            let mut file = Counting { bytes: io::Cursor::new(file), read: 0 };
            let (mut at, mut found) = (0, 0);
            while let Some(next) = find_next_head(&mut file, at, length).unwrap() {
                (at, found) = (next + 1, found + 1);
            }
            assert_eq!(found, heads);
            file.read
        };
        let [some, twice] = [2000, 4000].map(bytes);
        // 1 MiB for each was 4 GB.
        assert!(some < 12 << 20 && twice < some * 5 / 2, "{some} {twice}");
    }

    #[test]
    fn another_file_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("photo.jpg");
        for content in ["x", "something that is much longer than a header"] {
            fs::write(&path, content).unwrap();
            assert!(FeatureCache::open(&path).unwrap_err().to_string().contains("photo.jpg"));
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
    }
}
