//! TFRecord files of examples, as TF-Slim and TensorFlow Datasets write labelled pictures.
//!
//! A file is a sequence of records: the length of the data (8 bytes), a masked CRC-32C of the
//! length, the data, a masked CRC-32C of the data (`tensorflow/core/lib/io/record_reader.cc`). The
//! data is an `Example`: values by name (`tensorflow/core/example/{example,feature}.proto`).

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader, Read as _, Seek as _, SeekFrom};
use std::path::Path;

use bytes::Bytes;
use prost::Message as _;

use crate::checksum;
use crate::file::open_regular;

/// Bytes around the data of a record.
const HEAD: u64 = 12;
const TAIL: u64 = 4;

/// A TFRecord file that is read from its start, or from the position of a record.
#[derive(Debug)]
pub struct TfRecordFile {
    file: BufReader<File>,
    position: u64,
    length: u64,
    max_bytes: u64,
}

/// A record.
#[derive(Clone, Debug)]
pub struct TfRecord {
    /// The byte of the file at which it begins.
    pub position: u64,
    /// Its data, or why it is damaged.
    pub data: Result<Vec<u8>, String>,
}

impl TfRecordFile {
    /// Opens a file. A record of more than `max_bytes` counts as damaged.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn open(path: &Path, max_bytes: u64) -> io::Result<Self> {
        let file = open_regular(path)?;
        let length = file.metadata()?.len();
        Ok(Self { file: BufReader::new(file), position: 0, length, max_bytes })
    }

    /// Continues at the record that begins at byte `position`.
    ///
    /// # Errors
    /// What the system refuses.
    pub fn seek(&mut self, position: u64) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(position))?;
        self.position = position;
        Ok(())
    }

    /// Returns the length of the next record's data, after its checksum is verified.
    fn data_length(&mut self) -> Result<u64, String> {
        let early = || "the file ends within a record".to_owned();
        if self.length.saturating_sub(self.position) < HEAD {
            return Err(early());
        }
        let mut head = [0; HEAD as usize];
        self.file.read_exact(&mut head).map_err(|error| error.to_string())?;
        let (length, stored) = head.split_at(8);
        let number =
            |bytes: &[u8]| bytes.iter().rev().fold(0, |sum, &byte| sum << 8 | u64::from(byte));
        checksum::verify(&[length], number(stored) as u32)
            .map_err(|what| format!("the length of a record: {what}"))?;
        let length = number(length);
        let left = self.length - self.position - HEAD;
        match length.checked_add(TAIL).is_some_and(|whole| whole <= left) {
            true => Ok(length),
            false => Err(early()),
        }
    }

    /// Returns the data of the next record. `Err` of a length is final, since nothing says where
    /// the next record begins.
    fn data(&mut self, length: u64) -> Result<Vec<u8>, String> {
        if length > self.max_bytes {
            self.file.seek_relative((length + TAIL) as i64).map_err(|error| error.to_string())?;
            return Err(format!("a record has more than the {} bytes allowed", self.max_bytes));
        }
        let mut data = vec![0; (length + TAIL) as usize];
        self.file.read_exact(&mut data).map_err(|error| error.to_string())?;
        let stored = data.split_off(length as usize);
        let stored = stored.iter().rev().fold(0, |sum, &byte| sum << 8 | u32::from(byte));
        checksum::verify(&[&data], stored).map(|()| data)
    }
}

impl Iterator for TfRecordFile {
    type Item = TfRecord;

    /// Returns the next record. After one whose length is damaged there are no others.
    fn next(&mut self) -> Option<TfRecord> {
        let position = self.position;
        if position >= self.length {
            return None;
        }
        let data = match self.data_length() {
            Ok(length) => {
                self.position += HEAD + length + TAIL;
                self.data(length)
            }
            Err(what) => {
                self.position = self.length;
                Err(what)
            }
        };
        Some(TfRecord { position, data })
    }
}

/// Returns true if the file begins with the head of a record: a length whose checksum is right.
pub fn is_tfrecord(path: &Path) -> bool {
    path.is_file()
        && TfRecordFile::open(path, 0).is_ok_and(|mut records| records.data_length().is_ok())
}

/// Values by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Example(BTreeMap<String, FeatureValue>);

/// The values of a feature.
#[derive(Clone, Debug, PartialEq)]
pub enum FeatureValue {
    /// Bytes, such as texts and encoded pictures.
    Bytes(Vec<Bytes>),
    /// Real numbers.
    Floats(Vec<f32>),
    /// Whole numbers.
    Ints(Vec<i64>),
}

impl Example {
    /// Decodes an example. Bytes are slices of `data`.
    ///
    /// # Errors
    /// A sentence that says that it is none.
    pub fn decode(data: Bytes) -> Result<Self, String> {
        let example = proto::Example::decode(data)
            .map_err(|error| format!("a record is not a tf.train.Example: {error}"))?;
        let features = example.features.unwrap_or_default().feature.into_iter();
        let value = |(name, feature): (String, proto::Feature)| {
            let value = match feature.kind? {
                proto::Kind::Bytes(list) => FeatureValue::Bytes(list.value),
                proto::Kind::Floats(list) => FeatureValue::Floats(list.value),
                proto::Kind::Ints(list) => FeatureValue::Ints(list.value),
            };
            Some((name, value))
        };
        Ok(Self(features.filter_map(value).collect()))
    }

    /// Returns the only bytes of a feature.
    pub fn bytes(&self, name: &str) -> Option<&[u8]> {
        match self.0.get(name)? {
            FeatureValue::Bytes(values) if values.len() == 1 => values.first().map(|v| &v[..]),
            _ => None,
        }
    }

    /// Returns the whole numbers of a feature.
    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.0.get(name)? {
            FeatureValue::Ints(values) => Some(values),
            _ => None,
        }
    }

    /// Iterates over the names of the features, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

mod proto {
    use std::collections::BTreeMap;

    use bytes::Bytes;

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Example {
        #[prost(message, optional, tag = "1")]
        pub(super) features: Option<Features>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Features {
        #[prost(btree_map = "string, message", tag = "1")]
        pub(super) feature: BTreeMap<String, Feature>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Feature {
        #[prost(oneof = "Kind", tags = "1, 2, 3")]
        pub(super) kind: Option<Kind>,
    }

    #[derive(Clone, PartialEq, prost::Oneof)]
    pub(super) enum Kind {
        #[prost(message, tag = "1")]
        Bytes(BytesList),
        #[prost(message, tag = "2")]
        Floats(FloatList),
        #[prost(message, tag = "3")]
        Ints(Int64List),
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct BytesList {
        #[prost(bytes = "bytes", repeated, tag = "1")]
        pub(super) value: Vec<Bytes>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct FloatList {
        #[prost(float, repeated, tag = "1")]
        pub(super) value: Vec<f32>,
    }

    #[derive(Clone, PartialEq, prost::Message)]
    pub(super) struct Int64List {
        #[prost(int64, repeated, tag = "1")]
        pub(super) value: Vec<i64>,
    }
}
