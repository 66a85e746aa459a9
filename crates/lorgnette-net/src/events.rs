//! TensorFlow's event files, which TensorBoard reads.
//!
//! A file is a row of records: the length of the data (8 bytes), a masked CRC-32C of these, the data, a masked CRC-32C of
//! it (`tensorflow/core/lib/io/record_writer.cc`). The data is an `Event` (`tensorflow/core/util/event.proto`). The first
//! says which version of the format it is.

use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use prost::Message as _;

use crate::checksum::Checksum;
use crate::error::{Error, Result};
use crate::sink::write_whole;

/// One thing that happened.
#[derive(Clone, PartialEq, prost::Message)]
struct Event {
    /// Seconds since 1970.
    #[prost(double, tag = "1")]
    wall_time: f64,
    #[prost(int64, tag = "2")]
    step: i64,
    #[prost(oneof = "What", tags = "3, 4")]
    what: Option<What>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
enum What {
    #[prost(string, tag = "3")]
    FileVersion(String),
    /// A GraphDef.
    #[prost(bytes = "bytes", tag = "4")]
    GraphDef(Bytes),
}

/// Writes an event file with a graph into a folder, which is made if it is not there, and gives its path.
pub(crate) fn write_graph_event(folder: &Path, graph: Vec<u8>) -> Result<PathBuf> {
    std::fs::create_dir_all(folder).map_err(|source| Error::Io { path: folder.into(), source })?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    // TensorBoard looks for "tfevents" in names and reads several files in the order of the seconds.
    let path = folder.join(format!("events.out.tfevents.{}.{:09}.lorgnette", now.as_secs(), now.subsec_nanos()));
    let wall_time = now.as_secs_f64();
    let first = What::FileVersion("brain.Event:2".into());
    write_whole(&path, |out| {
        [first, What::GraphDef(graph.into())].into_iter().try_for_each(|what| {
            let event = Event { wall_time, step: 0, what: Some(what) }.encode_to_vec();
            out.write(&record(&event))
        })
    })?;
    Ok(path)
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let sum = |bytes: &[u8]| Checksum::of(bytes).masked().to_le_bytes();
    [&length[..], &sum(&length), data, &sum(data)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_framed_as_tensorflow_frames_it() {
        // What tf.io.TFRecordWriter writes for b"lorgnette".
        let wanted = [
            9, 0, 0, 0, 0, 0, 0, 0, 0x37, 0xf9, 0x71, 0x39, b'l', b'o', b'r', b'g', b'n', b'e', b't', b't', b'e', 0x5d,
            0xed, 0xcb, 0xb7,
        ];
        assert_eq!(record(b"lorgnette"), wanted);
    }
}
