//! JPEG files through the decoder alone, whose result is RGB of the size it states.

use lorgnette_jpeg::{DecodeOptions, Decoder, Transform};

use super::{Input, Target, repository};
use crate::mutate::{photo, scramble};
use crate::random::Random;

/// The maximum number of pixels that are decoded.
const MAX_PIXELS: usize = 1 << 18;

/// The target of JPEG files.
pub(super) struct Jpegs {
    files: Vec<Vec<u8>>,
}

impl Jpegs {
    pub(super) fn new() -> Self {
        let folder = repository("crates/lorgnette/tests/photos");
        let mut files = Vec::new();
        for entry in std::fs::read_dir(folder).expect("the photos are in the repository") {
            let path = entry.expect("a readable folder").path();
            let file = std::fs::read(path).expect("a readable photo");
            if file.starts_with(&[0xff, 0xd8]) {
                files.push(file);
            }
        }
        files.sort();
        Self { files }
    }
}

impl Target for Jpegs {
    fn input(&self, random: &mut Random) -> Input {
        let (origin, other) = (random.below(self.files.len()), random.pick(&self.files));
        let mut bytes = self.files[origin].clone();
        if random.one_in(4) {
            scramble(random, &mut bytes, other);
        } else {
            photo::mutate(random, &mut bytes, other);
        }
        // Without its end a file is refused before its coefficients are decoded.
        if !random.one_in(8) {
            bytes.extend([0xff, 0xd9]);
        }
        Input { bytes, origin }
    }

    fn run(&self, input: &Input, random: &mut Random) -> Result<&'static str, String> {
        let mut options = DecodeOptions::default();
        if random.one_in(4) {
            options.transform = Transform::Accurate;
        }
        options.min_size = random.one_in(2).then(|| std::array::from_fn(|_| random.below(64)));
        let decoder = match Decoder::new(&input.bytes) {
            Ok(decoder) => decoder,
            Err(error) => return check_message(error.message()).map(|()| "refused"),
        };
        let (width, height) = (decoder.width(), decoder.height());
        if width * height > MAX_PIXELS {
            return Ok("too large");
        }
        let image = match decoder.decode(&options) {
            Ok(image) => image,
            Err(error) => return check_message(error.message()).map(|()| "refused"),
        };
        let is_reduced = [8, 4, 2, 1].iter().any(|ratio| {
            (width.div_ceil(*ratio), height.div_ceil(*ratio)) == (image.width, image.height)
        });
        let samples = image.pixels.len();
        if !is_reduced || samples == 0 || samples != 3 * image.width * image.height {
            return Err(format!(
                "{samples} samples in {} x {} of {width} x {height}",
                image.width, image.height
            ));
        }
        Ok("decoded")
    }

    /// Fifteen bytes a pixel at most: RGB, and samples and coefficients of four components, which
    /// are padded to whole blocks. Tables take less than a MiB.
    fn bound(&self, length: usize) -> usize {
        (16 << 20) + 32 * MAX_PIXELS + 32 * length
    }

    fn share(&self) -> f64 {
        0.15
    }
}

fn check_message(message: &str) -> Result<(), String> {
    if message.is_empty() { Err("an error without a message".into()) } else { Ok(()) }
}
