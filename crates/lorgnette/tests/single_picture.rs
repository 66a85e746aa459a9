//! Copies hold one picture: what cameras and programs put beside it does not get into them.

use std::path::Path;

use lorgnette::Picture;
use lorgnette::blur::{Area, BlurMode, BlurOptions, Mask};
use lorgnette::picture::{Metadata, PictureFormat};

/// In every part of a made-up file that must not get into a copy.
const SECRET: &[u8] = b"SECRET";

fn photo(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/photos").join(name);
    std::fs::read(path).unwrap()
}

/// A small JPEG with the secret behind it, as thumbnails are.
fn secret_picture() -> Vec<u8> {
    let picture = Picture::from_rgb8(16, 16, [200, 10, 10].repeat(256)).unwrap();
    [picture.to_jpeg(80).unwrap(), SECRET.to_vec()].concat()
}

/// EXIF with an orientation, a time, a maker's note and a thumbnail.
fn exif() -> Vec<u8> {
    let entry = |tag: u16, kind: u16, count: usize, value: u32| {
        let count = (count as u32).to_le_bytes();
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count, &value.to_le_bytes()].concat()
    };
    let secret = secret_picture();
    let (time, second) = (8 + 2 + 36 + 4, 8 + 2 + 36 + 4 + 20);
    let data = second + 2 + 24 + 4;
    [
        &b"II\x2a\0\x08\0\0\0\x03\0"[..],
        &entry(0x0112, 3, 1, 1),
        &entry(0x0132, 2, 20, time),
        &entry(0x927c, 7, secret.len(), data),
        &second.to_le_bytes(),
        b"2024:05:06 07:08:09\0",
        &[2, 0],
        &entry(0x0201, 4, 1, data),
        &entry(0x0202, 4, 1, secret.len() as u32),
        &[0; 4],
        &secret,
    ]
    .concat()
}

fn segment(marker: u8, content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&[0xff, marker][..], &length, &content].concat()
}

/// A JPEG with everything that phones and programs put into one.
fn jpeg() -> Vec<u8> {
    let secret = secret_picture();
    let xmp =
        b"http://ns.adobe.com/xap/1.0/\0<x hdrgm:Version='1.0' GCamera:MotionPhoto='1'>SECRET</x>";
    let parts = [
        segment(0xe0, &[b"JFIF\0\x01\x02\x01\0\x48\0\x48\x01\x02", SECRET]),
        segment(0xe0, &[b"JFXX\0\x10", &secret]),
        segment(0xe1, &[b"Exif\0\0", &exif()]),
        segment(0xe1, &[xmp]),
        segment(0xe1, &[b"http://ns.adobe.com/xmp/extension/\0", &secret]),
        segment(0xe2, &[b"MPF\0", &secret]),
        segment(0xe2, &[b"urn:iso:std:iso:ts:21496:-1\0", SECRET]),
        segment(0xe4, &[b"FPXR\0", &secret]),
        segment(0xeb, &[b"JP", &secret]),
        segment(0xed, &[b"Photoshop 3.0\x008BIM\x04\x0c\0\0", &secret]),
        segment(0xfe, &[SECRET]),
    ];
    let picture = photo("baseline_420.jpg");
    let film = [&b"\0\0\0\x18ftypmp42"[..], SECRET].concat();
    [&picture[..2], &parts.concat(), &picture[2..], &secret, &film].concat()
}

fn chunk(name: &[u8; 4], data: &[&[u8]]) -> Vec<u8> {
    let content = [&name[..], &data.concat()].concat();
    let length = (content.len() as u32 - 4).to_be_bytes();
    [&length[..], &content, &crc32(&content).to_be_bytes()].concat()
}

fn crc32(bytes: &[u8]) -> u32 {
    let step = |crc: u32, &byte: &u8| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| {
            if crc & 1 == 1 { (crc >> 1) ^ 0xedb8_8320 } else { crc >> 1 }
        })
    };
    !bytes.iter().fold(u32::MAX, step)
}

/// A PNG with metadata, a second frame and something behind it.
fn png() -> Vec<u8> {
    const HEADER: usize = 8 + 25;
    const END: usize = 12;
    let secret = secret_picture();
    let before = [
        chunk(b"acTL", &[&[0, 0, 0, 2], &[0; 4]]),
        chunk(b"eXIf", &[&exif()]),
        chunk(b"iTXt", &[b"XML:com.adobe.xmp\0\0\0\0\0", SECRET]),
        chunk(b"tEXt", &[b"Comment\0", SECRET]),
        chunk(b"prVt", &[&secret]),
    ];
    let frame = [0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 1, 0, 0];
    let behind = [chunk(b"fcTL", &[&frame]), chunk(b"fdAT", &[&[0, 0, 0, 1], &secret])];
    let picture = photo("rgb_8_bit.png");
    let (start, end) = picture.split_at(picture.len() - END);
    [&start[..HEADER], &before.concat(), &start[HEADER..], &behind.concat(), end, &secret].concat()
}

/// A WebP with EXIF and XMP.
fn webp() -> Vec<u8> {
    let picture = photo("alpha.webp");
    let decoded = Picture::from_bytes(&picture, "alpha.webp").unwrap();
    let side = |side: usize| (side as u32 - 1).to_le_bytes()[..3].to_vec();
    let chunk = |name: &[u8], data: &[u8]| {
        let padding = &[0][..data.len() % 2];
        [name, &(data.len() as u32).to_le_bytes(), data, padding].concat()
    };
    // Alpha, EXIF and XMP.
    let extended = [vec![0x1c, 0, 0, 0], side(decoded.width()), side(decoded.height())].concat();
    let chunks = [
        b"WEBP".to_vec(),
        chunk(b"VP8X", &extended),
        picture[12..].to_vec(),
        chunk(b"EXIF", &exif()),
        chunk(b"XMP ", SECRET),
    ]
    .concat();
    [&b"RIFF"[..], &(chunks.len() as u32).to_le_bytes(), &chunks].concat()
}

/// The made-up files.
fn files() -> Vec<(&'static str, Vec<u8>)> {
    let with_secret = |name: &str| [photo(name), secret_picture()].concat();
    vec![
        ("a JPEG", jpeg()),
        ("a PNG", png()),
        ("a WebP", webp()),
        ("an animated WebP", photo("animated.webp")),
        ("an animated GIF", with_secret("animated.gif")),
        ("a TIFF of two pages", with_secret("two_pages.tiff")),
        ("a BMP", with_secret("rgb_24_bit.bmp")),
        ("a raw photo", [&b"FUJIFILMCCD-RAW 0201"[..], &[0; 64], &jpeg(), SECRET].concat()),
        ("an MPO", container("two_pictures.mpo")),
        ("a TIFF turned by XMP", container("turned_by_xmp.tif")),
        #[cfg(feature = "heic")]
        ("a HEIC with thumbnail, EXIF, XMP and a film", with_film("everything.heic")),
        #[cfg(feature = "avif")]
        ("an AVIF with EXIF and a film", with_film("turned_6.avif")),
        #[cfg(feature = "avif")]
        ("an AVIF with alpha", container("alpha.avif")),
        #[cfg(feature = "jxl")]
        ("a JPEG XL with EXIF, XMP and more", with_film("everything.jxl")),
    ]
}

/// A file of `oracle/make_container_fixtures.py`; its EXIF and XMP have the secret.
fn container(name: &str) -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/containers").join(name);
    std::fs::read(path).unwrap()
}

/// The same with a box that telephones put films into.
#[cfg(any(feature = "heic", feature = "avif", feature = "jxl"))]
fn with_film(name: &str) -> Vec<u8> {
    let secret = secret_picture();
    let length = (secret.len() as u32 + 8).to_be_bytes();
    [&container(name)[..], &length, b"mpvd", &secret].concat()
}

fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Checks that a JPEG has known segments and ends with its picture.
fn check_jpeg(name: &str, file: &[u8]) {
    let mut at = 2;
    let mut scans = 0;
    loop {
        assert_eq!(file[at], 0xff, "{name}: a marker at {at}");
        let marker = file[at + 1];
        if marker == 0xd9 {
            break;
        }
        let length = usize::from(u16::from_be_bytes([file[at + 2], file[at + 3]]));
        let content = &file[at + 4..at + 2 + length];
        let is_known = match marker {
            0xe0 => {
                content.starts_with(b"JFIF\0") && content.len() == 14 && content[12..] == [0, 0]
            }
            0xe1 => content.starts_with(b"Exif\0\0"),
            0xe2 => content.starts_with(b"ICC_PROFILE\0"),
            0xee => content.starts_with(b"Adobe") && content.len() == 12,
            0xc0..=0xcf | 0xda..=0xdd => true,
            _ => false,
        };
        assert!(is_known, "{name}: segment {marker:x} of {length} bytes");
        at += 2 + length;
        if marker == 0xda {
            scans += 1;
            while file[at] != 0xff || matches!(file[at + 1], 0 | 0xd0..=0xd7) {
                at += 1;
            }
        }
    }
    assert_eq!(at + 2, file.len(), "{name}: something is behind the picture");
    assert!(scans > 0, "{name}");
}

/// Checks that a PNG has known chunks and ends with its picture.
fn check_png(name: &str, file: &[u8]) {
    let mut at = 8;
    let mut last = [0; 4];
    while at < file.len() {
        let length = u32::from_be_bytes(file[at..at + 4].try_into().unwrap()) as usize;
        last.copy_from_slice(&file[at + 4..at + 8]);
        let known =
            [b"IHDR", b"PLTE", b"IDAT", b"IEND", b"eXIf", b"iCCP", b"gAMA", b"cHRM", b"sRGB"];
        assert!(known.contains(&&last), "{name}: chunk {}", last.escape_ascii());
        at += length + 12;
    }
    assert_eq!((&last, at), (b"IEND", file.len()), "{name}");
}

/// A mask of the photo's left half.
fn left_half(picture: &Picture) -> Mask {
    let area = Area {
        class: Some(1),
        bounds: [0, 0, picture.width() / 2, picture.height()],
        share: 0.5,
        mean_probability: 1.0,
        peak_probability: 1.0,
    };
    let mode = BlurMode::Fill([9, 9, 9]);
    let options = BlurOptions { mode, margin: Some(0), ..BlurOptions::default() };
    Mask::from_areas(picture.width(), picture.height(), vec![area], &options)
}

#[test]
fn a_copy_holds_one_picture_whatever_the_photo_held() {
    for (name, file) in files() {
        let picture = Picture::from_bytes(&file, name).unwrap();
        let nothing = Mask::empty(picture.width(), picture.height(), &BlurOptions::default());
        for mask in [nothing, left_half(&picture)] {
            for format in [PictureFormat::Jpeg, PictureFormat::Png] {
                let copy = mask.apply_to_file(&picture, &file, format, true).unwrap();
                let name = format!("{name} as {format}, {} areas", mask.areas().len());
                assert!(!contains(&copy, SECRET), "{name}");
                assert!(!contains(&copy[2..], &[0xff, 0xd8, 0xff]), "{name}: another JPEG");
                match format {
                    PictureFormat::Jpeg => check_jpeg(&name, &copy),
                    _ => check_png(&name, &copy),
                }
                let back = Picture::from_bytes(&copy, &name).unwrap();
                assert_eq!((back.width(), back.height()), (picture.width(), picture.height()));
                if mask.is_empty() && picture.format() == Some(format) {
                    assert_eq!(back.pixels(), picture.pixels(), "{name}: copied without a loss");
                }
            }
        }
    }
}

#[test]
fn the_time_stays_and_an_ordinary_file_is_copied_to_the_byte() {
    for (name, file) in files().into_iter().take(3) {
        let picture = Picture::from_bytes(&file, "photo").unwrap();
        let copy = left_half(&picture).apply_to_file(&picture, &file, PictureFormat::Jpeg, true);
        let copy = Metadata::from_bytes(&copy.unwrap());
        assert_eq!(copy.taken(), Some("2024:05:06 07:08:09"), "{name}");
    }
    for name in ["baseline_420.jpg", "progressive_422.jpg", "restart.jpg", "rgb_8_bit.png"] {
        let file = photo(name);
        let picture = Picture::from_bytes(&file, name).unwrap();
        let nothing = Mask::empty(picture.width(), picture.height(), &BlurOptions::default());
        let copy = nothing.apply_to_file(&picture, &file, picture.format().unwrap(), true);
        assert!(copy.unwrap() == file, "{name}");
    }
}

#[test]
fn turned_photos_are_upright_in_blurred_copies_and_as_they_were_in_others() {
    for turn in 1..=8 {
        let file = photo(&format!("orientation_{turn}.jpg"));
        let picture = Picture::from_bytes(&file, "photo").unwrap();
        let nothing = Mask::empty(picture.width(), picture.height(), &BlurOptions::default());
        let copy = nothing.apply_to_file(&picture, &file, PictureFormat::Jpeg, true).unwrap();
        assert_eq!(Picture::from_bytes(&copy, "photo").unwrap(), picture);
        let blurred = left_half(&picture);
        let copy = blurred.apply_to_file(&picture, &file, PictureFormat::Png, true).unwrap();
        let back = Picture::from_bytes(&copy, "photo").unwrap();
        assert_eq!(back.to_rgb8(), blurred.apply(&picture).to_rgb8(), "{turn}");
    }
}
