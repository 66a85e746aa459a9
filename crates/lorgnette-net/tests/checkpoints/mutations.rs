//! Thousands of damaged checkpoints: each is read correctly or refused, without a crash or
//! unbounded memory.

use std::path::Path;

use lorgnette_net::weights::Weights;

use crate::fixtures::{Case, fixtures, write_anew};
use crate::memory::peak;
use crate::tables;

/// SplitMix64: the same numbers in every run.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    /// Changes some bytes: flips a bit, writes a special byte, or removes, duplicates or moves a
    /// piece.
    fn change(&mut self, bytes: &mut Vec<u8>) {
        let at = self.below(bytes.len());
        let length = self.below(bytes.len() - at).min(40);
        match self.below(8) {
            0..3 if at < bytes.len() => bytes[at] ^= 1 << self.below(8),
            3 if at < bytes.len() => bytes[at] = [0x00, 0x7f, 0x80, 0xff, 0x01][self.below(5)],
            4 => drop(bytes.drain(at..at + length)),
            5 => {
                let piece = bytes[at..at + length].to_vec();
                let to = self.below(bytes.len());
                bytes.splice(to..to, piece);
            }
            6 => bytes.truncate(at),
            _ => {
                let absurd = tables::varint(self.next() >> self.below(64));
                bytes.splice(at..at, absurd);
            }
        }
    }
}

/// Returns the file to damage: the table at the start of the checkpoint.
fn table_of(folder: &Path) -> std::path::PathBuf {
    let is_table = |path: &std::path::PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        !name.contains(".data-") && !name.ends_with(".npy")
    };
    let mut files: Vec<_> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).filter(is_table).collect();
    files.sort();
    files.swap_remove(0)
}

/// Names, and the bytes of the readable variables.
type Read = Vec<(String, Option<Vec<u8>>)>;

/// Reads everything. The memory limit is that of the documentation of `weights`, plus 64 KiB.
fn read_all(folder: &Path, bytes: usize) -> Result<Read, String> {
    let (read, most) = peak(|| {
        let weights = Weights::open(folder).map_err(|e| e.to_string())?;
        let read = weights.iter().map(|(variable, tensor)| (variable.name().to_owned(), tensor));
        Ok::<_, String>(
            read.map(|(name, tensor)| (name, tensor.ok().map(|tensor| tensor.bytes().to_vec())))
                .collect(),
        )
    });
    assert!(most < 256 * bytes + (64 << 10), "{most} bytes of memory for {bytes} of file");
    read
}

/// Checks that all values read are correct: damage does not pass checksums unless they are
/// corrected.
fn check_values(case: &Case, read: &Read) {
    for (name, bytes) in read {
        let wanted = &case.variables[name];
        let (Some(bytes), Some(file)) = (bytes, &wanted.values) else { continue };
        assert_eq!(bytes, fixtures().values(file).bytes(), "{}: {name}", case.name);
    }
}

const CASES: [&str; 8] = [
    "plain_v1",
    "plain_v2",
    "partitioned_v1",
    "partitioned_v2",
    "types_v1",
    "types_v2",
    "small_snappy_v1",
    "quarters_v2",
];

#[test]
fn damage_never_passes_the_checksums() {
    let mut chance = Chance(1);
    for name in CASES {
        let folder = fixtures().copy(name);
        let files: Vec<_> = folder.read_dir().unwrap().map(|entry| entry.unwrap().path()).collect();
        for _ in 0..250 {
            let path = &files[chance.below(files.len())];
            let sound = std::fs::read(path).unwrap();
            let mut bytes = sound.clone();
            chance.change(&mut bytes);
            write_anew(path, &bytes);
            if let Ok(read) = read_all(&folder, 10_000) {
                check_values(fixtures().case(name), &read);
            }
            write_anew(path, &sound);
        }
    }
}

#[test]
fn sealed_damage_is_refused_or_read() {
    let mut chance = Chance(2);
    for name in CASES.into_iter().filter(|name| !name.contains("snappy")) {
        let folder = fixtures().copy(name);
        let path = table_of(&folder);
        let sound = std::fs::read(&path).unwrap();
        for round in 0..500 {
            let bytes = if round % 2 == 0 {
                change_entry(&sound, &mut chance)
            } else {
                change_block(&sound, &mut chance)
            };
            write_anew(&path, &bytes);
            let _ = read_all(&folder, bytes.len() + 10_000);
        }
    }
}

/// Changes a key or value of a table, or removes or duplicates an entry.
fn change_entry(sound: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut entries = tables::read(sound);
    let at = chance.below(entries.len());
    match chance.below(10) {
        0 => drop(entries.remove(at)),
        1 => {
            let other = chance.below(entries.len());
            entries[at].1 = entries[other].1.clone();
        }
        2 => chance.change(&mut entries[at].0),
        _ => chance.change(&mut entries[at].1),
    }
    entries.sort();
    tables::write(&entries)
}

/// Changes the bytes of a block, including lengths and restart points, and corrects the checksum.
fn change_block(sound: &[u8], chance: &mut Chance) -> Vec<u8> {
    let mut table = sound.to_vec();
    let places = tables::blocks(sound);
    let place = places[chance.below(places.len())].clone();
    let mut content = sound[place.clone()].to_vec();
    for _ in 0..=chance.below(3) {
        chance.change(&mut content);
    }
    content.resize(place.len(), 0);
    let compression = if chance.below(20) == 0 { 1 } else { 0 };
    table.splice(place.start..place.end + 5, tables::sealed(&content, compression));
    table
}
