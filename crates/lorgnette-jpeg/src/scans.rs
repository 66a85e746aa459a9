//! Decodes the scans of a file into a frame.

use crate::error::Error;
use crate::frame::Frame;
use crate::markers::{EOI, Layout, MarkerReader, SOS, is_standalone};
use crate::options::DecodeOptions;
use crate::scan::Scan;
use crate::tables::Tables;

/// Maximum passes over the coefficients of a progressive file. Encoders write about ten; a file of
/// empty passes would take forever.
const MAX_SCANS: usize = 100;

/// Decodes every scan of the file.
pub(crate) fn decode(
    bytes: &[u8],
    layout: &Layout<'_>,
    options: &DecodeOptions,
) -> Result<Frame, Error> {
    let mut frame = Frame::new(layout, options)?;
    let mut tables = Tables::default();
    let mut markers = MarkerReader { bytes, at: 0 };
    let mut scans = 0;
    while let Some(marker) = markers.next_marker().filter(|&marker| marker != EOI) {
        if is_standalone(marker) {
            continue;
        }
        let Some(segment) = markers.segment() else { break };
        if marker != SOS {
            tables.take(marker, segment)?;
            continue;
        }
        scans += 1;
        if scans > MAX_SCANS {
            return Err(Error::damaged(format!("it has more than {MAX_SCANS} scans")));
        }
        let scan = Scan::read(&frame, segment)?;
        frame.latch_quantisation(options.transform, &tables, scan.components())?;
        markers.at = scan.decode(&mut frame, &tables, bytes, markers.at)?;
    }
    if scans == 0 {
        return Err(Error::damaged("it has no scan"));
    }
    frame.finish();
    Ok(frame)
}
