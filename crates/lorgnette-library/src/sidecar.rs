//! XMP sidecars: what was found in a photo, for other programs.
//!
//! A sidecar is a file beside the photo, `beach.jpg.xmp`, which digiKam, darktable, Lightroom,
//! immich and PhotoPrism read. It has the names of what was found as keywords (`dc:subject`), and
//! regions with names ("Guidelines for Handling Image Metadata", Metadata Working Group, 2010,
//! 5.9). The photo itself is never changed, and neither is a sidecar that another program has
//! written.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use lorgnette::net::write_atomically;

use crate::bytes::printable;
use crate::contents::Detection;
use crate::error::{Error, Result};
use crate::library::{Library, name};
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
}

impl Library {
    /// Writes a sidecar for each present photo, with the detections of at least `min_probability`.
    ///
    /// # Errors
    /// If the library cannot be read, or a sidecar not be written.
    pub fn write_sidecars(&self, min_probability: f64) -> Result<SidecarSummary> {
        let mut summary = SidecarSummary::default();
        self.each_photo(Some(State::Present), |photo| {
            let mut detections = self.detections_by_id(photo.id)?;
            detections.retain(|detection| {
                detection.source != Source::Refuted && detection.probability >= min_probability
            });
            self.write_sidecar(&photo, &detections, &mut summary)
        })?;
        Ok(summary)
    }

    fn write_sidecar(
        &self,
        photo: &Photo,
        detections: &[Detection],
        summary: &mut SidecarSummary,
    ) -> Result<()> {
        let path = sidecar_path(&photo.path);
        let file_error = |source| Error::File { name: name(&path), source };
        let existing = match fs::read(&path) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(file_error(error)),
        };
        if existing.as_deref().is_some_and(|bytes| !is_own(bytes)) {
            summary.foreign.push(path);
            return Ok(());
        }
        let content = xmp(photo, detections);
        let nothing = existing.is_none() && detections.is_empty();
        if nothing || existing.as_deref() == Some(content.as_bytes()) {
            summary.unchanged += 1;
            return Ok(());
        }
        write_atomically(&path, content.as_bytes()).map_err(file_error)?;
        summary.written += 1;
        Ok(())
    }
}

/// Returns the path of a photo's sidecar.
fn sidecar_path(photo: &Path) -> PathBuf {
    let mut path = photo.as_os_str().to_owned();
    path.push(".xmp");
    path.into()
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
    if let Some(size) = photo.size {
        xmp += &regions(size, detections);
    }
    xmp += "</rdf:Description>\n</rdf:RDF>\n</x:xmpmeta>\n<?xpacket end=\"w\"?>\n";
    xmp
}

/// Returns the regions of a photo of this width and height.
fn regions([width, height]: [u32; 2], detections: &[Detection]) -> String {
    let mut regions = format!(
        "<mwg-rs:Regions rdf:parseType=\"Resource\">\n\
         <mwg-rs:AppliedToDimensions stDim:w=\"{width}\" stDim:h=\"{height}\" stDim:unit=\"pixel\"/>\n\
         <mwg-rs:RegionList><rdf:Bag>\n"
    );
    for detection in detections {
        let Some([left, top, right, bottom]) = detection.bounds else { continue };
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
        assert_eq!(sidecar_path(Path::new("/b/c.jpg")), Path::new("/b/c.jpg.xmp"));
    }
}
