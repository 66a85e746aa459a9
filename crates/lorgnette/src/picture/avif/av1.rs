//! One AV1 frame to planes.

use re_rav1d::dav1d::pixel::YUVRange;
use re_rav1d::dav1d::{Decoder, Error, Picture, PixelLayout, PlanarImageComponent, Settings};

use super::super::PictureError;
use super::super::open::Source;
use super::colour::Coding;
use super::planes::{Layout, Planes};

const PLANES: [PlanarImageComponent; 3] =
    [PlanarImageComponent::Y, PlanarImageComponent::U, PlanarImageComponent::V];

/// Decodes the first frame of at most `max_pixels`.
pub(super) fn decode(
    source: &Source<'_>,
    data: Vec<u8>,
    max_pixels: u64,
) -> Result<Planes, PictureError> {
    let picture = frame(data, max_pixels).map_err(|error| match error {
        Error::Again => {
            let length = source.bytes.len();
            source.ends_early(format!("it stops at {length} bytes, within the picture"))
        }
        // The decoder's word for a frame beyond the limit (ERANGE), which is the size in the file.
        Error::UnknownError(_) if error.to_string().ends_with("ERANGE") => {
            source.damaged("its picture has another size than it says")
        }
        error => source.damaged(format!("its picture cannot be decoded ({error})")),
    })?;
    planes(&picture).ok_or_else(|| source.damaged("its picture is incomplete"))
}

fn frame(data: Vec<u8>, max_pixels: u64) -> Result<Picture, Error> {
    let mut settings = Settings::new();
    // Photos are decoded in parallel, not the parts of one.
    settings.set_n_threads(1);
    settings.set_max_frame_delay(1);
    settings.set_all_layers(false);
    // Checked before memory is allocated for the frame.
    settings.set_frame_size_limit(u32::try_from(max_pixels).unwrap_or(u32::MAX));
    let mut decoder = Decoder::with_settings(&settings)?;
    match decoder.send_data(data, None, None, None) {
        // The rest is of later frames.
        Ok(()) | Err(Error::Again) => decoder.get_picture(),
        Err(error) => Err(error),
    }
}

fn planes(picture: &Picture) -> Option<Planes> {
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    let bits = picture.bit_depth() as u32;
    let layout = match picture.pixel_layout() {
        PixelLayout::I400 => Layout::Grey,
        PixelLayout::I420 => Layout::Quarter,
        PixelLayout::I422 => Layout::Half,
        PixelLayout::I444 => Layout::Full,
    };
    let coding = Coding {
        primaries: picture.color_primaries() as u16,
        matrix: picture.matrix_coefficients() as u16,
        full_range: picture.color_range() == YUVRange::Full,
    };
    let mut samples = [const { Vec::new() }; 3];
    for (number, component) in PLANES.into_iter().enumerate() {
        let (width, height) = layout.plane_size(number, width, height);
        if width == 0 {
            continue;
        }
        let plane = picture.plane(component);
        let stride = picture.stride(component) as usize;
        samples[number].reserve_exact(width * height);
        for row in 0..height {
            let row = plane.get(row * stride..)?;
            if bits == 8 {
                samples[number].extend(row.get(..width)?.iter().map(|&sample| u16::from(sample)));
            } else {
                let pairs = row.get(..2 * width)?.chunks_exact(2);
                samples[number].extend(pairs.map(|pair| u16::from_ne_bytes([pair[0], pair[1]])));
            }
        }
    }
    Some(Planes { width, height, layout, bits, coding, samples })
}
