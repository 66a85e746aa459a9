//! Every kind of file gives TensorFlow's pixels, or an error that names the file and what is wrong.

#[path = "support/paths.rs"]
mod paths;

use lorgnette_oracle::{folder, json, probes, tolerance};
use paths::{repository, tests};
use std::fs;

use lorgnette::picture::{OpenOptions, Picture, PictureError, PictureFormat, Pixels};

fn fixture(name: &str) -> Picture {
    open(name).unwrap_or_else(|error| panic!("{error}"))
}

fn open(name: &str) -> Result<Picture, PictureError> {
    Picture::open(tests("photos").join(name))
}

/// Samples at the depth of the picture, and that depth in bits.
fn samples(picture: &Picture) -> (Vec<f64>, u64) {
    match picture.pixels() {
        Pixels::Rgb8(samples) => (samples.iter().map(|&s| f64::from(s)).collect(), 8),
        Pixels::Rgb16(samples) => (samples.iter().map(|&s| f64::from(s)).collect(), 16),
    }
}

/// Mean and largest absolute difference from the probes.
fn difference(samples: &[f64], probes: &[(usize, f64)]) -> (f64, f64) {
    let apart: Vec<f64> =
        probes.iter().map(|&(place, value)| (samples[place] - value).abs()).collect();
    (apart.iter().sum::<f64>() / apart.len() as f64, apart.iter().copied().fold(0.0, f64::max))
}

#[test]
fn every_fixture_has_the_pixels_of_its_truth() {
    let truth = json(&tests("photos/truth.json"));
    let mut wrong = Vec::new();
    for (name, truth) in truth.as_object().expect("an object") {
        let picture = match open(name) {
            Ok(picture) => picture,
            Err(error) => {
                wrong.push(error.to_string());
                continue;
            }
        };
        let (samples, bits) = samples(&picture);
        let size = (picture.width() as u64, picture.height() as u64, bits);
        let expected = [&truth["width"], &truth["height"], &truth["bits"]]
            .map(|value| value.as_u64().expect("a number"));
        if size != expected.into() {
            wrong.push(format!("{name}: width, height, bits are {size:?}, not {expected:?}"));
            continue;
        }
        let (mean, most) = difference(&samples, &probes(&truth["probes"]));
        let allowed = [&truth["mean_difference"], &truth["most_difference"]]
            .map(|value| value.as_f64().expect("one"));
        if mean > allowed[0] || most > allowed[1] {
            wrong.push(format!(
                "{name}: off by {mean:.3} on average and {most} at most, allowed {allowed:?}"
            ));
        }
        for channel in 0..3 {
            let own: Vec<f64> = samples.iter().skip(channel).step_by(3).copied().collect();
            let own = own.iter().sum::<f64>() / own.len() as f64;
            let expected = truth["channel_means"][channel].as_f64().expect("a mean");
            if (own - expected).abs() > allowed[0] + 1e-3 {
                wrong.push(format!(
                    "{name}: the mean of channel {channel} is {own}, not {expected}"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn content_decides_the_kind_and_not_the_name() {
    assert_eq!(fixture("png_called.jpg").format(), Some(PictureFormat::Png));
    assert_eq!(fixture("jpeg_called.png").format(), Some(PictureFormat::Jpeg));
}

#[test]
fn channels_of_origin_are_those_of_the_file() {
    let channels = |name| fixture(name).source_channels();
    assert_eq!(channels("grey.jpg"), 1);
    assert_eq!(channels("grey_alpha_8_bit.png"), 2);
    assert_eq!(channels("baseline_420.jpg"), 3);
    assert_eq!(channels("rgba_16_bit.png"), 4);
    assert_eq!(channels("ycck.jpg"), 4);
    assert!(fixture("grey_1_bit.png").is_grey());
}

#[test]
fn orientation_is_honoured_unless_asked_otherwise() {
    let sideways = fixture("orientation_6.jpg");
    assert_eq!((sideways.width(), sideways.height()), (24, 40));
    let options = OpenOptions { ignore_orientation: true, ..OpenOptions::default() };
    let stored = options.open(tests("photos/orientation_6.jpg")).unwrap();
    assert_eq!((stored.width(), stored.height()), (40, 24));
}

/// The sides that are enough are those of the upright picture, and no side becomes shorter.
#[test]
fn what_is_enough_is_said_of_the_upright_picture() {
    let open = |rows, columns, ignore_orientation| {
        let options = OpenOptions {
            min_decode_size: Some([rows, columns]),
            ignore_orientation,
            ..OpenOptions::default()
        };
        let picture = options.open(tests("photos/orientation_6.jpg")).unwrap();
        let (width, height) = picture.source_size();
        assert_eq!((width, height), if ignore_orientation { (40, 24) } else { (24, 40) });
        [picture.height(), picture.width()]
    };
    assert_eq!(open(20, 12, false), [20, 12]);
    assert_eq!(open(12, 20, false), [40, 24]);
    assert_eq!(open(12, 20, true), [12, 20]);
    assert_eq!(open(10, 6, false), [10, 6]);
    assert_eq!(open(0, 0, false), [5, 3]);
    assert_eq!(open(11, 6, false), [20, 12]);
    assert_eq!(open(1000, 1, false), [40, 24]);
}

/// Other kinds of files are always decoded at full size.
#[test]
fn only_jpegs_are_reduced() {
    let options = OpenOptions { min_decode_size: Some([1, 1]), ..OpenOptions::default() };
    let picture = options.open(tests("photos/rgb_8_bit.png")).unwrap();
    assert_eq!((picture.width(), picture.height()), picture.source_size());
}

#[test]
fn damaged_files_are_refused_by_name_and_reason() {
    let cases = [
        ("empty.jpg", "the file is empty"),
        ("text.jpg", "it is text"),
        ("web_page.jpg", "it is a web page"),
        ("random.jpg", "not a picture: it starts with 07 26 83"),
        ("truncated.jpg", "the JPEG ends early: it stops at"),
        ("truncated_by_one.jpg", "the JPEG ends early: it stops at"),
        ("truncated_progressive.jpg", "the JPEG ends early: it stops at"),
        ("header_only.jpg", "the JPEG ends early"),
        ("no_frame.jpg", "the JPEG is damaged: it has no picture before its end"),
        ("promises_too_much.jpg", "cannot hold the 14000 x 14000 pixels its header promises"),
        ("no_height.jpg", "its header says 53 x 0 pixels"),
        ("twelve_bit.jpg", "a JPEG of 12 bits a sample, which is not supported"),
        ("arithmetic.jpg", "a JPEG of arithmetic coding, which is not supported"),
        ("truncated.png", "the PNG ends early"),
        ("wrong_checksum.png", "the PNG is damaged"),
        ("huge.png", "60000 x 60000 pixels are more than the 200000000 allowed"),
        ("truncated.gif", "the GIF ends early"),
        ("truncated.bmp", "the BMP ends early"),
        ("truncated.tiff", "the TIFF ends early"),
        ("truncated.webp", "the WebP ends early"),
        ("photo.heic", "which is not supported: convert it"),
        ("", "is a folder, not a photo"),
        ("absent.jpg", "cannot be read: No such file"),
    ];
    let mut wrong = Vec::new();
    for (name, reason) in cases {
        match open(name) {
            Ok(_) => wrong.push(format!("{name} opened")),
            Err(error) => {
                let message = error.to_string();
                let path = tests("photos").join(name).display().to_string();
                if !message.starts_with(&path) || !message.contains(reason) {
                    wrong.push(format!("{name}: {reason:?} is not in: {message}"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_beginning_of_a_file_is_an_error_and_not_a_panic() {
    for name in [
        "baseline_420.jpg",
        "progressive_420.jpg",
        "rgb_8_bit.png",
        "still.gif",
        "lossy.webp",
        "grey.tiff",
    ] {
        let whole = fs::read(tests("photos").join(name)).unwrap();
        for length in (0..whole.len()).step_by(23) {
            match Picture::from_bytes(&whole[..length], name) {
                Err(PictureError::Decoder { what, .. }) => {
                    panic!("{name} of {length} bytes: {what}")
                }
                Err(_) => {}
                // Only what follows the picture may be missing.
                Ok(_) => {
                    assert!(
                        !name.ends_with("jpg") && length + 200 > whole.len(),
                        "{name} of {length} bytes opened"
                    );
                }
            }
        }
    }
}

/// Marsaglia's xorshift: the same damage every time.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state as usize >> 8
}

fn mutated(mut bytes: Vec<u8>, state: &mut u64) -> Vec<u8> {
    for _ in 0..1 + next(state) % 6 {
        let place = next(state) % bytes.len();
        match next(state) % 4 {
            0 => bytes[place] = next(state) as u8,
            1 => bytes[place] ^= 1 << (next(state) % 8),
            2 => bytes[place] = 0xFF,
            _ => bytes.truncate(place.max(1)),
        }
    }
    bytes
}

#[test]
fn damage_anywhere_never_makes_a_decoder_panic() {
    let mut files: Vec<_> =
        fs::read_dir(tests("photos")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let files: Vec<Vec<u8>> =
        files.iter().map(|path| fs::read(path).unwrap()).filter(|f| !f.is_empty()).collect();
    let mut state = 0x9E37_79B9_7F4A_7C15;
    for round in 0..4_000 {
        let mut bytes = mutated(files[next(&mut state) % files.len()].clone(), &mut state);
        if bytes.starts_with(&[0xFF, 0xD8]) {
            // Without its end a JPEG is refused before its coefficients are looked at.
            bytes.extend([0xFF, 0xD9]);
        }
        let enough = [next(&mut state) % 60; 2];
        for min_decode_size in [None, Some(enough)] {
            let options = OpenOptions { min_decode_size, ..OpenOptions::default() };
            if let Err(PictureError::Decoder { format, what, .. }) =
                options.decode(&bytes, "mutated")
            {
                panic!("round {round}, {format}: {what}");
            }
        }
    }
}

#[test]
fn limits_hold_before_anything_is_decoded() {
    let options = OpenOptions { max_pixels: 53 * 37 - 1, ..OpenOptions::default() };
    for name in [
        "baseline_420.jpg",
        "rgb_8_bit.png",
        "still.gif",
        "rgb_24_bit.bmp",
        "lossy.webp",
        "grey.tiff",
    ] {
        let error = options.open(tests("photos").join(name)).unwrap_err();
        assert!(matches!(error, PictureError::TooLarge { .. }), "{error}");
    }
    let options = OpenOptions { max_bytes: 100, ..OpenOptions::default() };
    let error = options.open(tests("photos/baseline_420.jpg")).unwrap_err();
    assert!(matches!(error, PictureError::TooLarge { .. }), "{error}");
}

#[test]
fn pixels_must_fill_their_size() {
    assert!(Picture::from_rgb8(2, 2, vec![0; 12]).is_ok());
    assert!(Picture::from_rgb8(2, 2, vec![0; 11]).is_err());
    assert!(Picture::from_rgb8(0, 2, vec![]).is_err());
    assert!(Picture::from_rgb8(usize::MAX, 2, vec![0; 6]).is_err());
}

#[test]
fn sixteen_bits_become_the_nearest_of_eight() {
    let levels = vec![0, 128, 129, 257, 65_535 - 129, 65_535 - 128, 65_535, 32_768, 32_896];
    let picture = Picture::from_pixels(3, 1, Pixels::Rgb16(levels)).unwrap();
    assert_eq!(picture.to_rgb8(), [0, 0, 1, 1, 254, 255, 255, 128, 128]);
}

#[test]
fn a_saved_picture_opens_again() {
    let folder = std::env::temp_dir().join(format!("lorgnette-picture-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    let picture = fixture("rgb_8_bit.png");
    for (name, mean) in [("again.png", 0.0), ("again.JPG", 6.0)] {
        picture.save(folder.join(name)).unwrap();
        let again = Picture::open(folder.join(name)).unwrap();
        let apart = picture
            .to_rgb8()
            .iter()
            .zip(again.to_rgb8())
            .map(|(&a, b)| f64::from(a.abs_diff(b)))
            .sum::<f64>();
        assert!(apart / picture.to_rgb8().len() as f64 <= mean, "{name}");
    }
    assert!(matches!(
        picture.save(folder.join("again.xyz")),
        Err(PictureError::UnknownExtension { .. })
    ));
    assert!(matches!(
        picture.save(folder.join("no/such/folder.png")),
        Err(PictureError::Write { .. })
    ));
    fs::remove_dir_all(folder).unwrap();
}

#[test]
fn the_free_photos_of_the_readme_open() {
    for name in ["astronaut", "chelsea", "coffee", "rocket"] {
        let picture = Picture::open(repository("photos").join(format!("{name}.jpg"))).unwrap();
        assert!(picture.width() >= 400);
    }
}

#[test]
fn reference_photos_agree_with_libjpeg_turbo() {
    let Some(folder) = folder() else { return };
    let reference = json(&folder.join("reference/preprocessing.json"));
    for photo in reference["photos"].as_array().expect("photos") {
        let name = photo["photo"].as_str().expect("a name");
        let picture = Picture::open(folder.join("photos").join(name)).unwrap();
        let (samples, _) = samples(&picture);
        let (mean, most) = difference(&samples, &probes(&photo["decoded"]["probe"]));
        assert!(
            mean <= tolerance::JPEG_MEAN && most <= tolerance::JPEG_MAX,
            "{name}: {mean} on average, {most} at most"
        );
        let own = samples.iter().sum::<f64>() / samples.len() as f64;
        let expected = photo["decoded"]["mean"].as_f64().expect("a mean");
        assert!(
            (own - expected).abs() <= tolerance::JPEG_MEAN,
            "{name}: mean {own}, TensorFlow {expected}"
        );
    }
}
