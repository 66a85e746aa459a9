//! Photos of every format: decoded and preprocessed in every style.

use lorgnette::picture::{Metadata, OpenOptions, Picture, PictureError, Pixels, Transform};
use lorgnette::preprocess::{Preprocessing, Preprocessor};

use super::{Input, Target, must_name, repository};
use crate::mutate::{photo, scramble};
use crate::random::Random;

/// The file's name in messages.
const NAME: &str = "damaged photo";
/// The maximum number of pixels.
const MAX_PIXELS: u64 = 1 << 18;
/// The maximum file size.
const MAX_BYTES: u64 = 200 << 10;

/// Extensions of the formats whose decoders are features, in the order of their targets.
pub(super) const EXTENSIONS: &[&str] = &[
    #[cfg(feature = "heic")]
    "heic",
    #[cfg(feature = "avif")]
    "avif",
    #[cfg(feature = "jxl")]
    "jxl",
];

/// The target of photos.
pub(super) struct Photos {
    files: Vec<Vec<u8>>,
}

impl Photos {
    /// Photos of the formats that every build reads.
    pub(super) fn new() -> Self {
        let folders = ["crates/lorgnette/tests/photos", "photos"];
        Self::from_folders(&folders, |extension| extension != "json" && extension != "md")
    }

    /// Photos of a format by its extension.
    pub(super) fn with_extension(wanted: &str) -> Self {
        let folders = ["crates/lorgnette/tests/containers"];
        Self::from_folders(&folders, |extension| extension == wanted)
    }

    fn from_folders(folders: &[&str], is_wanted: impl Fn(&str) -> bool) -> Self {
        let mut paths: Vec<_> = folders
            .iter()
            .flat_map(|folder| {
                std::fs::read_dir(repository(folder)).expect("the photos are in the repository")
            })
            .map(|entry| entry.expect("a readable folder").path())
            .filter(|path| {
                path.extension().and_then(|extension| extension.to_str()).is_some_and(&is_wanted)
            })
            .collect();
        paths.sort();
        Self {
            files: paths
                .iter()
                .map(|path| std::fs::read(path).expect("a readable photo"))
                .collect(),
        }
    }
}

impl Target for Photos {
    fn input(&self, random: &mut Random) -> Input {
        let (origin, other) = (random.below(self.files.len()), random.pick(&self.files));
        let mut bytes = self.files[origin].clone();
        if random.one_in(4) {
            for _ in 0..=random.below(6) {
                scramble(random, &mut bytes, other);
            }
        } else {
            photo::mutate(random, &mut bytes, other);
        }
        Input { bytes, origin }
    }

    fn run(&self, input: &Input, random: &mut Random) -> Result<&'static str, String> {
        let options = OpenOptions {
            ignore_orientation: random.one_in(4),
            max_pixels: MAX_PIXELS,
            max_bytes: MAX_BYTES,
            jpeg_transform: if random.one_in(4) { Transform::Accurate } else { Transform::Fast },
            min_decode_size: random.one_in(2).then(|| std::array::from_fn(|_| random.below(64))),
        };
        use_notes(&input.bytes)?;
        match options.decode(&input.bytes, NAME) {
            Ok(picture) => use_picture(&picture, random).map(|()| "decoded"),
            // Decoders of other crates may panic on damage, which `decode` turns into an error; our
            // own must not.
            Err(
                error @ PictureError::Decoder {
                    format: lorgnette::picture::PictureFormat::Jpeg,
                    ..
                },
            ) => Err(error.to_string()),
            Err(error @ PictureError::Decoder { .. }) => {
                must_name(NAME, &error).map(|()| "panic contained")
            }
            Err(error) => must_name(NAME, &error).map(|()| "refused"),
        }
    }

    /// Sixteen bytes per pixel while the decoder works, and sixteen while the image is rotated and
    /// converted to RGB. Tables take sixteen MiB, and a byte of a TIFF's directory up to 32.
    fn bound(&self, length: usize) -> usize {
        (16 << 20) + 32 * MAX_PIXELS as usize + 32 * length
    }

    fn share(&self) -> f64 {
        0.3
    }
}

/// Checks that metadata that is written anew contains no JPEG: it would show the hidden part of a
/// blurred photo.
fn use_notes(bytes: &[u8]) -> Result<(), String> {
    let exif = Metadata::from_bytes(bytes).exif().unwrap_or_default();
    if exif.windows(3).any(|window| window == [0xff, 0xd8, 0xff]) {
        return Err("a thumbnail stays in the notes".into());
    }
    Ok(())
}

fn use_picture(picture: &Picture, random: &mut Random) -> Result<(), String> {
    let samples = match picture.pixels() {
        Pixels::Rgb8(samples) => samples.len(),
        Pixels::Rgb16(samples) => samples.len(),
    };
    let pixels = picture.width() * picture.height();
    if pixels == 0 || pixels as u64 > MAX_PIXELS || samples != 3 * pixels {
        return Err(format!(
            "{samples} samples in a picture of {} x {}",
            picture.width(),
            picture.height()
        ));
    }
    let (width, height) = picture.source_size();
    if ![8, 4, 2, 1].iter().any(|ratio| {
        (width.div_ceil(*ratio), height.div_ceil(*ratio)) == (picture.width(), picture.height())
    }) {
        return Err(format!(
            "{} x {} are no ratio of {width} x {height}",
            picture.width(),
            picture.height()
        ));
    }
    for style in Preprocessing::ALL {
        let [height, width] = std::array::from_fn(|_| *random.pick(&[1, 2, 17, 32, 300]));
        let channels = *random.pick(&[1, 3]);
        let preprocess = Preprocessor { channels, ..Preprocessor::new(style, height, width) };
        let input = preprocess.input(picture);
        if !input.iter().all(|value| value.is_finite()) {
            return Err(format!("{style} preprocessing gives values that are not finite"));
        }
    }
    Ok(())
}
