//! Strips of faxes in TIFFs that are right: what is damaged is the codes, their kind and the size.

use lorgnette::picture::{OpenOptions, PictureError};

use super::{Input, Target, must_name, repository};
use crate::mutate::scramble;
use crate::random::Random;

/// The file's name in messages.
const NAME: &str = "damaged fax";
/// The maximum number of pixels.
const MAX_PIXELS: u64 = 1 << 18;
/// Where the strip begins: behind the header and a directory of this many entries.
const STRIP_AT: usize = 8 + 2 + 12 * ENTRIES + 4;
const ENTRIES: usize = 10;
/// Compression, and options of T.4: in one dimension without marks and with them, in two, T.6.
const KINDS: [[u32; 2]; 5] = [[2, 0], [3, 0], [3, 1], [3, 5], [4, 0]];

/// The target of faxes.
pub(super) struct Faxes {
    strips: Vec<Vec<u8>>,
}

impl Faxes {
    pub(super) fn new() -> Self {
        let folder = repository("crates/lorgnette/tests/containers");
        let entries = std::fs::read_dir(folder).expect("the photos are in the repository");
        let mut paths: Vec<_> =
            entries.map(|entry| entry.expect("a readable folder").path()).collect();
        paths.sort();
        let is_fax = |path: &std::path::PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            name.starts_with("fax_") && name.ends_with(".tif")
        };
        let read = |path| std::fs::read(path).expect("a readable photo");
        let files: Vec<Vec<u8>> = paths.into_iter().filter(is_fax).map(read).collect();
        assert!(!files.is_empty(), "there are no faxes in the repository");
        // The directory around a strip stays: read as codes it is as good as others.
        Self { strips: files.into_iter().map(|file| file[8..].to_vec()).collect() }
    }
}

impl Target for Faxes {
    fn input(&self, random: &mut Random) -> Input {
        let (origin, other) = (random.below(self.strips.len()), random.pick(&self.strips));
        let mut strip = self.strips[origin].clone();
        let cut = random.below(strip.len());
        if random.one_in(2) {
            strip.drain(..cut);
        }
        match random.below(4) {
            0 => strip = (0..random.below(200)).map(|_| random.byte()).collect(),
            1 => flip_bits(random, &mut strip),
            2 => scramble(random, &mut strip, other),
            _ => {}
        }
        let width = *random.pick(&[1, 7, 8, 9, 63, 64, 95, 95, 95, 2560, 65535, 65536]);
        let rows = *random.pick(&[1, 2, 71, 71, 1000]);
        let [compression, options] = *random.pick(&KINDS);
        let order = 1 + random.below(2) as u32;
        let length = strip.len() as u32;
        let entries: [(u16, u32); ENTRIES] = [
            (256, width),
            (257, rows),
            (258, 1),
            (259, compression),
            (262, random.below(2) as u32),
            (266, order),
            (273, STRIP_AT as u32),
            (278, rows),
            (279, length),
            (292, options),
        ];
        let mut bytes = b"II*\0\x08\0\0\0".to_vec();
        bytes.extend((ENTRIES as u16).to_le_bytes());
        for (tag, value) in entries {
            bytes.extend([tag.to_le_bytes(), 4_u16.to_le_bytes()].concat());
            bytes.extend([1_u32.to_le_bytes(), value.to_le_bytes()].concat());
        }
        bytes.extend([0; 4]);
        bytes.extend(strip);
        Input { bytes, origin }
    }

    fn run(&self, input: &Input, _: &mut Random) -> Result<&'static str, String> {
        let options = OpenOptions { max_pixels: MAX_PIXELS, ..OpenOptions::default() };
        match options.decode(&input.bytes, NAME) {
            Ok(picture) => {
                match picture.to_rgb8().iter().find(|level| ![0, 255].contains(*level)) {
                    Some(level) => Err(format!("a fax has a level of {level}")),
                    None => Ok("decoded"),
                }
            }
            // It is our own decoder that panics then, or a table that it uses.
            Err(error @ PictureError::Decoder { .. }) => Err(error.to_string()),
            Err(error) => must_name(NAME, &error).map(|()| "refused"),
        }
    }

    /// As of photos.
    fn bound(&self, length: usize) -> usize {
        (16 << 20) + 32 * MAX_PIXELS as usize + 32 * length
    }

    fn share(&self) -> f64 {
        0.1
    }
}

/// Flips a few bits, so that most codes stay.
fn flip_bits(random: &mut Random, strip: &mut [u8]) {
    for _ in 0..=random.below(4) {
        if !strip.is_empty() {
            let at = random.below(strip.len());
            strip[at] ^= 1 << random.below(8);
        }
    }
}
