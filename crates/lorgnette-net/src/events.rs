//! TensorFlow's event files, which TensorBoard reads: graphs, scalars, histograms, images.
//!
//! A file is a sequence of records: the length of the data (8 bytes), a masked CRC-32C of the
//! length, the data, a masked CRC-32C of the data (`tensorflow/core/lib/io/record_writer.cc`). The
//! data is an `Event` (`tensorflow/core/util/event.proto`). The first event gives the version of
//! the format.

mod histogram;
mod proto;

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prost::Message as _;

use self::histogram::histogram;
use self::proto::{Event, Image, Shown, Summary, SummaryValue, What};
use crate::atomic_file::write_with;
use crate::checksum::Checksum;
use crate::error::{Error, Result};

/// An event file that is being written. TensorBoard shows its content as it grows.
///
/// TensorBoard treats each folder of event files as a run, and draws equal tags of all runs in one
/// chart.
///
/// Events are appended as they happen, so that TensorBoard shows them while they are written: the
/// file is not atomic. A record that a crash cut off fails its checksum.
#[derive(Debug)]
pub struct EventFile {
    path: PathBuf,
    file: File,
}

impl EventFile {
    /// Creates a file in `folder`, which is created if it does not exist.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn create(folder: &Path) -> Result<Self> {
        let (path, now) = path_in(folder)?;
        let file =
            File::create(&path).map_err(|source| Error::Io { path: path.clone(), source })?;
        let mut events = Self { path, file };
        events.add(now, 0, version())?;
        Ok(events)
    }

    /// Returns the file's path.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Adds a scalar at a step.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn scalar(&mut self, tag: &str, step: usize, value: f32) -> Result<()> {
        self.summary(tag, step, Shown::SimpleValue(value))
    }

    /// Adds a histogram of `values` at a step. NaN and infinite values are left out.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn histogram(&mut self, tag: &str, step: usize, values: &[f32]) -> Result<()> {
        self.summary(tag, step, Shown::Histogram(histogram(values)))
    }

    /// Adds an image at a step: the bytes of a PNG or JPEG file, and its width and height in
    /// pixels.
    ///
    /// # Errors
    /// If the system refuses.
    pub fn image(
        &mut self,
        tag: &str,
        step: usize,
        [width, height]: [usize; 2],
        encoded: Vec<u8>,
    ) -> Result<()> {
        // Red, green and blue.
        let colorspace = 3;
        let (width, height) = (width as i32, height as i32);
        self.summary(
            tag,
            step,
            Shown::Image(Image { height, width, colorspace, encoded: encoded.into() }),
        )
    }

    fn summary(&mut self, tag: &str, step: usize, shown: Shown) -> Result<()> {
        let value = SummaryValue { tag: tag.into(), shown: Some(shown) };
        self.add(now(), step, What::Summary(Summary { value: vec![value] }))
    }

    fn add(&mut self, time: Duration, step: usize, what: What) -> Result<()> {
        let record = event(time, step, what);
        self.file.write_all(&record).map_err(|source| Error::Io { path: self.path.clone(), source })
    }
}

/// Writes an event file with a graph into `folder`, which is created if it does not exist. Returns
/// the file's path.
pub(crate) fn write_graph_event(folder: &Path, graph: Vec<u8>) -> Result<PathBuf> {
    let (path, now) = path_in(folder)?;
    write_with(&path, |out| {
        [version(), What::GraphDef(graph.into())]
            .into_iter()
            .try_for_each(|what| out.append(&event(now, 0, what)))
    })?;
    Ok(path)
}

fn version() -> What {
    What::FileVersion("brain.Event:2".into())
}

fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Returns the path of a new file and the time in its name. TensorBoard looks for "tfevents" in
/// names and reads several files in the order of the seconds.
fn path_in(folder: &Path) -> Result<(PathBuf, Duration)> {
    fs::create_dir_all(folder).map_err(|source| Error::Io { path: folder.into(), source })?;
    let now = now();
    let name = format!("events.out.tfevents.{}.{:09}.lorgnette", now.as_secs(), now.subsec_nanos());
    Ok((folder.join(name), now))
}

fn event(time: Duration, step: usize, what: What) -> Vec<u8> {
    let event = Event { wall_time: time.as_secs_f64(), step: step as i64, what: Some(what) };
    record(&event.encode_to_vec())
}

fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    let sum = |bytes: &[u8]| Checksum::new(bytes).masked().to_le_bytes();
    [&length[..], &sum(&length), data, &sum(data)].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_framed_as_tensorflow_frames_it() {
        // The bytes that tf.io.TFRecordWriter writes for b"lorgnette".
        let wanted = [
            9, 0, 0, 0, 0, 0, 0, 0, 0x37, 0xf9, 0x71, 0x39, b'l', b'o', b'r', b'g', b'n', b'e',
            b't', b't', b'e', 0x5d, 0xed, 0xcb, 0xb7,
        ];
        assert_eq!(record(b"lorgnette"), wanted);
    }
}
