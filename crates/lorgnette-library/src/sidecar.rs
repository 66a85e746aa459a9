//! XMP sidecars: what was found in a photo, for other programs.
//!
//! A sidecar is a file beside the photo, `beach.jpg.xmp`, which digiKam, darktable, immich and
//! PhotoPrism read. Lightroom reads sidecars of raw photos alone, and by another name: of
//! `IMG_1.CR2` there is an `IMG_1.xmp` too. A sidecar has the names of what was found as keywords
//! (`dc:subject`), and regions with names ("Guidelines for Handling Image Metadata", Metadata
//! Working Group, 2010, 5.9), which are places in the picture as it is stored, before it is turned
//! upright. The photo itself is never changed, and neither is a sidecar that another program has
//! written.

use std::fmt::Write as _;
use std::fs;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use lorgnette::net::file::open_regular;
use lorgnette::net::write_atomically;
use lorgnette::picture::has_raw_extension;

use crate::bytes::printable;
use crate::contents::Detection;
use crate::error::Result;
use crate::library::Library;
use crate::photo::{Photo, Source, State};

/// Marks sidecars of this crate, which may be replaced.
const TOOLKIT: &str = "x:xmptk=\"Lorgnette\"";
/// Bytes of a sidecar in which the mark is looked for.
const HEAD_BYTES: usize = 512;

/// Outcome of [`Library::write_sidecars`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SidecarSummary {
    /// Sidecars that were written.
    pub written: usize,
    /// Sidecars that have this content already, or photos without anything to say of them.
    pub unchanged: usize,
    /// Sidecars of other programs, which were left as they are.
    pub foreign: Vec<PathBuf>,
    /// Sidecars that could not be written: their photos' folder is not there, or is read-only.
    pub failed: Vec<FailedSidecar>,
}

/// A sidecar that could not be written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedSidecar {
    /// Path of the sidecar.
    pub path: PathBuf,
    /// Error of the operating system.
    pub reason: String,
}

impl Library {
    /// Writes a sidecar for each present photo, with the detections of at least `min_probability`.
    /// One that cannot be written is in the summary; the others are.
    ///
    /// # Errors
    /// If the library cannot be read.
    pub fn write_sidecars(&self, min_probability: f64) -> Result<SidecarSummary> {
        let mut summary = SidecarSummary::default();
        self.each_photo(Some(State::Present), |photo| {
            let mut detections = self.detections_by_id(photo.id)?;
            detections.retain(|detection| {
                detection.source != Source::Refuted && detection.probability >= min_probability
            });
            let content = xmp(&photo, &detections);
            for path in sidecar_paths(&photo.path) {
                match write_sidecar(&path, &content, detections.is_empty()) {
                    Ok(Written::Yes) => summary.written += 1,
                    Ok(Written::Unchanged) => summary.unchanged += 1,
                    Ok(Written::Foreign) => summary.foreign.push(path),
                    Err(error) => {
                        summary.failed.push(FailedSidecar { path, reason: error.to_string() });
                    }
                }
            }
            Ok(())
        })?;
        Ok(summary)
    }
}

/// Whether a sidecar was written.
enum Written {
    Yes,
    Unchanged,
    Foreign,
}

/// Writes a sidecar, unless another program has. If there is `nothing` to say, none is made, but
/// one that exists is brought up to date.
fn write_sidecar(path: &Path, content: &str, nothing: bool) -> io::Result<Written> {
    let existing = match fs::metadata(path) {
        // A pipe would be waited for.
        Ok(metadata) if !metadata.is_file() => return Ok(Written::Foreign),
        Ok(_) => Some(beginning(path, content.len())?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    if existing.as_deref().is_some_and(|bytes| !is_own(bytes)) {
        return Ok(Written::Foreign);
    }
    if existing.is_none() && nothing || existing.as_deref() == Some(content.as_bytes()) {
        return Ok(Written::Unchanged);
    }
    write_atomically(path, content.as_bytes())?;
    Ok(Written::Yes)
}

/// Reads as much of a sidecar as tells whether it is one of this program, and another than one of
/// `length` bytes.
fn beginning(path: &Path, length: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let needed = length.max(HEAD_BYTES) as u64 + 1;
    open_regular(path)?.take(needed).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Returns the paths of a photo's sidecars: one, of a raw photo two.
fn sidecar_paths(photo: &Path) -> Vec<PathBuf> {
    let mut path = photo.as_os_str().to_owned();
    path.push(".xmp");
    let mut paths = vec![path.into()];
    if has_raw_extension(photo) {
        paths.push(photo.with_extension("xmp"));
    }
    paths
}

fn is_own(sidecar: &[u8]) -> bool {
    let head = &sidecar[..sidecar.len().min(HEAD_BYTES)];
    String::from_utf8_lossy(head).contains(TOOLKIT)
}

/// Returns the sidecar of a photo.
fn xmp(photo: &Photo, detections: &[Detection]) -> String {
    let mut keywords: Vec<String> = Vec::new();
    for keyword in detections.iter().map(|detection| escaped(detection.first_name())) {
        if !keywords.contains(&keyword) {
            keywords.push(keyword);
        }
    }
    let mut xmp = format!(
        "<?xpacket begin=\"\u{feff}\" id=\"W5M0MpCehiHzreSzNTczkc9d\"?>\n\
         <x:xmpmeta xmlns:x=\"adobe:ns:meta/\" {TOOLKIT}>\n\
         <rdf:RDF xmlns:rdf=\"http://www.w3.org/1999/02/22-rdf-syntax-ns#\">\n\
         <rdf:Description rdf:about=\"\"\n \
         xmlns:dc=\"http://purl.org/dc/elements/1.1/\"\n \
         xmlns:mwg-rs=\"http://www.metadataworkinggroup.com/schemas/regions/\"\n \
         xmlns:stDim=\"http://ns.adobe.com/xap/1.0/sType/Dimensions#\"\n \
         xmlns:stArea=\"http://ns.adobe.com/xmp/sType/Area#\">\n\
         <dc:subject><rdf:Bag>\n"
    );
    for keyword in &keywords {
        let _ = writeln!(xmp, "<rdf:li>{keyword}</rdf:li>");
    }
    xmp += "</rdf:Bag></dc:subject>\n";
    if let Some([width, height]) = photo.size {
        let turn = photo.orientation.unwrap_or(1);
        // From here on the picture lies on its side.
        let size = if turn >= 5 { [height, width] } else { [width, height] };
        xmp += &regions(size, turn, detections);
    }
    xmp += "</rdf:Description>\n</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end=\"w\"?>\n";
    xmp
}

/// Returns the regions of a photo that is stored with this width and height, and turned upright by
/// this EXIF orientation.
fn regions([width, height]: [u32; 2], turn: u8, detections: &[Detection]) -> String {
    let mut regions = format!(
        "<mwg-rs:Regions rdf:parseType=\"Resource\">\n\
         <mwg-rs:AppliedToDimensions stDim:w=\"{width}\" stDim:h=\"{height}\" stDim:unit=\"pixel\"/>\n\
         <mwg-rs:RegionList><rdf:Bag>\n"
    );
    for detection in detections {
        let Some(bounds) = detection.bounds else { continue };
        let [left, top, right, bottom] = stored(bounds, turn);
        // An area is given by its centre.
        let (x, y) = ((left + right) / 2.0, (top + bottom) / 2.0);
        let (w, h) = (right - left, bottom - top);
        let _ = writeln!(
            regions,
            "<rdf:li><rdf:Description mwg-rs:Name=\"{}\">\
             <mwg-rs:Area stArea:x=\"{x:.6}\" stArea:y=\"{y:.6}\" stArea:w=\"{w:.6}\" \
             stArea:h=\"{h:.6}\" stArea:unit=\"normalized\"/></rdf:Description></rdf:li>",
            escaped(detection.first_name())
        );
    }
    regions + "</rdf:Bag></mwg-rs:RegionList>\n</mwg-rs:Regions>\n"
}

/// Returns where a box of the upright picture, in fractions, is in the stored one, which this EXIF
/// orientation turns upright.
fn stored([left, top, right, bottom]: [f64; 4], turn: u8) -> [f64; 4] {
    let from_right = [1.0 - right, 1.0 - left];
    let from_bottom = [1.0 - bottom, 1.0 - top];
    // Of the stored picture, the first and last column, and the first and last row.
    let ([x0, x1], [y0, y1]) = match turn {
        2 => (from_right, [top, bottom]),
        3 => (from_right, from_bottom),
        4 => ([left, right], from_bottom),
        5 => ([top, bottom], [left, right]),
        6 => ([top, bottom], from_right),
        7 => (from_bottom, from_right),
        8 => (from_bottom, [left, right]),
        _ => ([left, right], [top, bottom]),
    };
    [x0, y0, x1, y1]
}

/// Escapes markup in a text.
fn escaped(text: &str) -> String {
    let text = printable(text);
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn detection(name: &str, bounds: Option<[f64; 4]>) -> Detection {
        Detection {
            model: "m".into(),
            class: 1,
            synset: None,
            name: name.into(),
            bounds,
            share: 0.1,
            probability: 0.9,
            peak: 0.9,
            source: Source::Model,
        }
    }

    #[test]
    fn a_sidecar_has_keywords_once_and_regions_by_their_centres() {
        let photo = Photo {
            id: 1,
            path: "/a.jpg".into(),
            digest: None,
            bytes: 0,
            modified: 0,
            taken: None,
            size: Some([400, 300]),
            orientation: None,
            state: State::Present,
            reason: None,
        };
        let detections = [
            detection("salt & pepper, x", None),
            detection("salt & pepper, x", Some([0.25, 0.5, 0.75, 1.0])),
        ];
        let xmp = xmp(&photo, &detections);
        assert_eq!(xmp.matches("<rdf:li>salt &amp; pepper</rdf:li>").count(), 1, "{xmp}");
        assert!(xmp.contains("stDim:w=\"400\" stDim:h=\"300\""), "{xmp}");
        let area = "stArea:x=\"0.500000\" stArea:y=\"0.750000\" stArea:w=\"0.500000\"";
        assert!(xmp.contains(area), "{xmp}");
        assert!(is_own(xmp.as_bytes()) && !is_own(b"<x:xmpmeta x:xmptk=\"XMP Core\">"));
        // On its side: what is at the bottom of the upright photo is at the right.
        let turned = Photo { orientation: Some(6), ..photo };
        let xmp = super::xmp(&turned, &detections);
        assert!(xmp.contains("stDim:w=\"300\" stDim:h=\"400\""), "{xmp}");
        assert!(xmp.contains("stArea:x=\"0.750000\" stArea:y=\"0.500000\""), "{xmp}");
    }

    #[test]
    fn regions_are_places_in_the_stored_picture() {
        // A corner of the upright picture, by where EXIF's orientations have it.
        let corner = [0.0, 0.0, 0.25, 0.5];
        for (turn, expected) in [
            (1, [0.0, 0.0, 0.25, 0.5]),
            (2, [0.75, 0.0, 1.0, 0.5]),
            (3, [0.75, 0.5, 1.0, 1.0]),
            (4, [0.0, 0.5, 0.25, 1.0]),
            (5, [0.0, 0.0, 0.5, 0.25]),
            (6, [0.0, 0.75, 0.5, 1.0]),
            (7, [0.5, 0.75, 1.0, 1.0]),
            (8, [0.5, 0.0, 1.0, 0.25]),
        ] {
            assert_eq!(stored(corner, turn), expected, "{turn}");
        }
    }

    #[test]
    fn a_raw_photo_has_a_sidecar_for_lightroom_too() {
        let paths = |photo: &str| sidecar_paths(Path::new(photo));
        assert_eq!(paths("/b/c.jpg"), [Path::new("/b/c.jpg.xmp")]);
        assert_eq!(paths("/b/c.CR2"), [Path::new("/b/c.CR2.xmp"), Path::new("/b/c.xmp")]);
    }
}
