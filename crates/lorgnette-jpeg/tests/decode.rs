//! Files decode to TensorFlow's pixels, or to an error of the right kind, and never panic.

use std::fs;
use std::path::{Path, PathBuf};

use lorgnette_jpeg::{DecodeOptions, Decoder, Error, ErrorKind, Image, Transform};
use lorgnette_oracle::{json, probes};

/// The folder of files with TensorFlow's pixels, which the tests of `lorgnette` share.
fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../lorgnette/tests/photos")
}

fn fixture(name: &str) -> Vec<u8> {
    fs::read(fixtures().join(name)).unwrap()
}

fn options(transform: Transform, min_size: Option<[usize; 2]>) -> DecodeOptions {
    let mut options = DecodeOptions::default();
    options.transform = transform;
    options.min_size = min_size;
    options
}

fn decode(file: &[u8], options: &DecodeOptions) -> Result<Image, Error> {
    Decoder::new(file)?.decode(options)
}

/// The orientation is not applied, so files that have one are compared by the tests of
/// `lorgnette`.
#[test]
fn pixels_equal_those_of_tensorflow() {
    let truth = json(&fixtures().join("truth.json"));
    let mut compared = 0;
    for (name, truth) in truth.as_object().expect("an object") {
        let file = fixture(name);
        let is_turned = name.starts_with("orientation") && !name.contains("_1.");
        if !file.starts_with(&[0xFF, 0xD8]) || is_turned {
            continue;
        }
        let image = decode(&file, &DecodeOptions::default()).unwrap();
        let size = [&truth["height"], &truth["width"]].map(|side| side.as_u64().unwrap() as usize);
        assert_eq!([image.height, image.width], size, "{name}");
        assert_eq!(image.pixels.len(), 3 * image.width * image.height, "{name}");
        let allowed = truth["most_difference"].as_f64().expect("a number");
        for (position, value) in probes(&truth["probes"]) {
            let difference = (f64::from(image.pixels[position]) - value).abs();
            assert!(difference <= allowed, "{name}: sample {position} is {difference} off");
        }
        compared += 1;
    }
    assert!(compared >= 15, "only {compared} files");
}

/// TensorFlow's `decode_jpeg` at each `ratio` and with either transform, byte for byte.
#[test]
fn reduced_sizes_equal_those_of_tensorflow() {
    let truth = json(&fixtures().join("reduced.json"));
    let mut wrong = Vec::new();
    for (name, answers) in truth.as_object().expect("an object") {
        let file = fixture(name);
        for (way, answer) in answers.as_object().expect("an object") {
            let [height, width, checksum] =
                [0, 1, 2].map(|place| answer[place].as_u64().expect("a number"));
            let (transform, ratio) = way.split_once(' ').expect("a transform and a ratio");
            let smaller = &answers[&format!("{transform} {}", 2 * ratio.parse::<u32>().unwrap())];
            if smaller[0] == answer[0] && smaller[1] == answer[1] {
                // A picture of a pixel: the next ratio is enough for it.
                continue;
            }
            let transform = if transform == "fast" { Transform::Fast } else { Transform::Accurate };
            let min_size = Some([height as usize, width as usize]);
            let image = decode(&file, &options(transform, min_size)).unwrap();
            let size = (image.height as u64, image.width as u64);
            if size != (height, width) || u64::from(crc32fast::hash(&image.pixels)) != checksum {
                wrong.push(format!("{name}: {way}: {size:?} for {:?}", (height, width)));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_header_is_known_before_the_pixels() {
    let file = fixture("progressive_420.jpg");
    let decoder = Decoder::new(&file).unwrap();
    assert_eq!((decoder.width(), decoder.height(), decoder.components()), (53, 37, 3));
    assert!(decoder.is_progressive() && decoder.exif().is_none());
    let file = fixture("orientation_6.jpg");
    let exif = Decoder::new(&file).unwrap().exif().expect("an EXIF block");
    assert!(exif.starts_with(b"II*\0") || exif.starts_with(b"MM\0*"));
    let file = fixture("ycck.jpg");
    assert_eq!(Decoder::new(&file).unwrap().components(), 4);
}

#[test]
fn the_smallest_sufficient_size_is_chosen() {
    let file = fixture("baseline_420.jpg");
    let size = |rows, columns| {
        let image = decode(&file, &options(Transform::Fast, Some([rows, columns]))).unwrap();
        (image.height, image.width)
    };
    assert_eq!(size(0, 0), (5, 7));
    assert_eq!(size(5, 7), (5, 7));
    assert_eq!(size(5, 8), (10, 14));
    assert_eq!(size(11, 1), (19, 27));
    assert_eq!(size(20, 20), (37, 53));
    assert_eq!(size(1000, 1000), (37, 53));
}

#[test]
fn errors_have_a_kind_and_a_message() {
    let cases = [
        ("truncated.jpg", ErrorKind::EndsEarly, "it stops at"),
        ("truncated_by_one.jpg", ErrorKind::EndsEarly, "without an end-of-image marker"),
        ("header_only.jpg", ErrorKind::EndsEarly, "it stops at"),
        ("promises_too_much.jpg", ErrorKind::EndsEarly, "cannot hold the 14000 x 14000 pixels"),
        ("no_frame.jpg", ErrorKind::Damaged, "it has no picture before its end"),
        ("no_height.jpg", ErrorKind::Damaged, "its header says 53 x 0 pixels"),
        ("twelve_bit.jpg", ErrorKind::Unsupported, "a JPEG of 12 bits a sample"),
        ("arithmetic.jpg", ErrorKind::Unsupported, "a JPEG of arithmetic coding"),
    ];
    for (name, kind, message) in cases {
        let error = decode(&fixture(name), &DecodeOptions::default()).unwrap_err();
        assert!(error.kind() == kind && error.message().contains(message), "{name}: {error:?}");
    }
    let error = decode(b"", &DecodeOptions::default()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the JPEG ends early: it stops at 0 bytes, without an end-of-image marker"
    );
    let error = decode(&fixture("arithmetic.jpg"), &DecodeOptions::default()).unwrap_err();
    assert_eq!(error.to_string(), "a JPEG of arithmetic coding, which is not supported");
}

#[test]
fn no_beginning_of_a_file_is_a_picture() {
    for name in ["baseline_420.jpg", "progressive_420.jpg"] {
        let file = fixture(name);
        for length in 0..file.len() {
            let error = decode(&file[..length], &DecodeOptions::default()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::EndsEarly, "{name} of {length} bytes: {error}");
        }
    }
}

/// Takes a file whose scan has restart markers.
#[test]
fn a_code_that_no_marker_has_costs_the_pixels_up_to_the_next_restart() {
    let whole = fixture("restart.jpg");
    let restart = whole.windows(2).position(|pair| pair == [0xFF, 0xD0]).unwrap();
    let mut damaged = whole.clone();
    // As the length of a segment, the bytes behind the code would be beyond the file's end.
    damaged.splice(restart - 4..restart - 4, [0xFF, 0x88, 0x7F, 0x7F]);
    let [whole, damaged] = [&whole, &damaged]
        .map(|file| decode(file, &options(Transform::Fast, None)).unwrap().pixels);
    let half = whole.len() / 2;
    assert_eq!(whole[half..], damaged[half..]);
}

/// Marsaglia's xorshift: the same damage every time.
fn next(state: &mut u64) -> usize {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state as usize >> 8
}

#[test]
fn damage_anywhere_never_makes_it_panic() {
    let mut files: Vec<Vec<u8>> = Vec::new();
    for entry in fs::read_dir(fixtures()).unwrap() {
        let file = fs::read(entry.unwrap().path()).unwrap();
        if file.starts_with(&[0xFF, 0xD8]) {
            files.push(file);
        }
    }
    files.sort();
    let (mut state, mut decoded) = (0x9E37_79B9_7F4A_7C15, 0);
    for _ in 0..4_000 {
        let mut file = files[next(&mut state) % files.len()].clone();
        for _ in 0..1 + next(&mut state) % 6 {
            let place = next(&mut state) % file.len();
            match next(&mut state) % 4 {
                0 => file[place] = next(&mut state) as u8,
                1 => file[place] ^= 1 << (next(&mut state) % 8),
                2 => file[place] = 0xFF,
                _ => file.truncate(place.max(1)),
            }
        }
        // Without its end a file is refused before its coefficients are decoded.
        file.extend([0xFF, 0xD9]);
        let min_size = [None, Some([next(&mut state) % 60; 2])][next(&mut state) % 2];
        decoded += usize::from(decode(&file, &options(Transform::Fast, min_size)).is_ok());
    }
    assert!(decoded > 500, "only {decoded} files were decoded: the damage is too great");
}
