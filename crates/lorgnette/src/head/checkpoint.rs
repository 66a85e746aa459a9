//! Checkpoints of a training.
//!
//! ```text
//! "LORGHEAD", length of the text (u64), text, arrays (float64 each), SHA-256 of all before
//! ```
//! The text is JSON: the task's digest, numbers by name, the epochs, and the names and lengths of
//! the arrays in order.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use lorgnette_net::file::read_regular;
use lorgnette_net::write_atomically;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::dataset::Digest;
use crate::metrics::Epoch;

const MAGIC: &[u8; 8] = b"LORGHEAD";

/// A checkpoint of a training. Only [`train`](super::train) interprets it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checkpoint {
    pub(super) numbers: BTreeMap<String, f64>,
    pub(super) arrays: BTreeMap<String, Vec<f64>>,
    pub(super) epochs: Vec<Epoch>,
}

#[derive(Serialize, Deserialize)]
struct Text {
    task: String,
    /// Bits of float64, because JSON would round them.
    numbers: BTreeMap<String, u64>,
    epochs: Vec<[u64; 6]>,
    arrays: Vec<(String, usize)>,
}

impl Checkpoint {
    pub(super) fn number(&self, name: &str) -> Option<f64> {
        self.numbers.get(name).copied()
    }

    pub(super) fn set(&mut self, name: &str, value: f64) {
        self.numbers.insert(name.to_owned(), value);
    }

    pub(super) fn floats(&self, name: &str) -> Option<Vec<f32>> {
        Some(self.arrays.get(name)?.iter().map(|&x| x as f32).collect())
    }

    pub(super) fn set_floats(&mut self, name: &str, values: &[f32]) {
        self.arrays.insert(name.to_owned(), values.iter().map(|&x| f64::from(x)).collect());
    }

    /// Writes the checkpoint of a task, given by its digest, atomically.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, path: &Path, task: Digest) -> io::Result<()> {
        let bits = |epoch: &Epoch| {
            let Epoch {
                epoch,
                seconds,
                training_accuracy,
                training_loss,
                validation_accuracy,
                validation_loss,
            } = epoch;
            let measured =
                [seconds, training_accuracy, training_loss, validation_accuracy, validation_loss];
            let mut all = [*epoch as u64; 6];
            all[1..].iter_mut().zip(measured).for_each(|(bits, value)| *bits = value.to_bits());
            all
        };
        let text = Text {
            task: task.to_string(),
            numbers: self
                .numbers
                .iter()
                .map(|(name, value)| (name.clone(), value.to_bits()))
                .collect(),
            epochs: self.epochs.iter().map(bits).collect(),
            arrays: self.arrays.iter().map(|(name, values)| (name.clone(), values.len())).collect(),
        };
        let text = serde_json::to_vec(&text)?;
        let mut bytes = [MAGIC.as_slice(), &(text.len() as u64).to_le_bytes(), &text].concat();
        bytes.extend(self.arrays.values().flatten().flat_map(|value| value.to_le_bytes()));
        let digest = Sha256::digest(&bytes);
        bytes.extend(digest);
        write_atomically(path, &bytes)
    }

    /// Reads the checkpoint; `None` if it is missing, damaged, or of another task.
    #[must_use]
    pub fn read(path: &Path, task: Digest) -> Option<Self> {
        let bytes = read_regular(path, u64::MAX).ok()?;
        let (content, digest) = bytes.split_last_chunk::<32>()?;
        let sound = content.starts_with(MAGIC) && Sha256::digest(content)[..] == digest[..];
        let rest = content.get(16..).filter(|_| sound)?;
        let length = u64::from_le_bytes(content[8..16].try_into().ok()?);
        let (text, mut values) = rest.split_at_checked(usize::try_from(length).ok()?)?;
        let text: Text = serde_json::from_slice(text)
            .ok()
            .filter(|text: &Text| text.task == task.to_string())?;
        let mut arrays = BTreeMap::new();
        for (name, count) in text.arrays {
            let (own, others) = values.split_at_checked(count.checked_mul(8)?)?;
            arrays.insert(
                name,
                own.as_chunks().0.iter().map(|&bytes| f64::from_le_bytes(bytes)).collect(),
            );
            values = others;
        }
        let numbers =
            text.numbers.into_iter().map(|(name, bits)| (name, f64::from_bits(bits))).collect();
        let epoch = |all: [u64; 6]| Epoch {
            epoch: all[0] as usize,
            seconds: f64::from_bits(all[1]),
            training_accuracy: f64::from_bits(all[2]),
            training_loss: f64::from_bits(all[3]),
            validation_accuracy: f64::from_bits(all[4]),
            validation_loss: f64::from_bits(all[5]),
        };
        Some(Self { numbers, arrays, epochs: text.epochs.into_iter().map(epoch).collect() })
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_state_is_read_as_it_was_written_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("training.state");
        let mut state = Checkpoint {
            epochs: vec![Epoch { epoch: 3, seconds: 0.1, ..Epoch::default() }],
            ..Checkpoint::default()
        };
        state.set("step", 1.0 / 3.0);
        state.set_floats("weights", &[0.1, -7.5]);
        state.arrays.insert("x".into(), vec![f64::MIN_POSITIVE, f64::NAN.abs()]);
        let task = Digest([3; 32]);
        state.write(&path, task).unwrap();
        let read = Checkpoint::read(&path, task).unwrap();
        assert_eq!(format!("{read:?}"), format!("{state:?}"));
        assert!(Checkpoint::read(&path, Digest([4; 32])).is_none());
        let whole = fs::read(&path).unwrap();
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 4;
            fs::write(&path, &damaged).unwrap();
            assert!(Checkpoint::read(&path, task).is_none(), "byte {at}");
            fs::write(&path, &whole[..at]).unwrap();
            assert!(Checkpoint::read(&path, task).is_none(), "length {at}");
        }
    }
}
