//! Photos as cameras, telephones and scanners write them: the right picture of a file, upright.

use std::path::Path;

use image::metadata::Orientation;
use lorgnette::picture::{Picture, PictureFormat, Pixels, exif_block};
use lorgnette_oracle::tolerance::{self, PixelTolerance};

/// A picture in which every pixel differs from its neighbours, smooth enough for a JPEG.
fn gradient(width: usize, height: usize) -> Picture {
    let pixel = |i: usize| {
        let (x, y) = (i % width, i / width);
        [(x * 255 / width) as u8, (y * 255 / height) as u8, ((x + y) * 127 / width) as u8]
    };
    Picture::from_rgb8(width, height, (0..width * height).flat_map(pixel).collect()).unwrap()
}

fn decoded(bytes: &[u8]) -> Picture {
    Picture::from_bytes(bytes, "photo").unwrap_or_else(|error| panic!("{error}"))
}

/// A TIFF, little-endian: entries of a tag and its integers, and data at known offsets.
struct Tiff {
    bytes: Vec<u8>,
}

impl Tiff {
    fn new(magic: &[u8; 4]) -> Self {
        Self { bytes: [&magic[..], &[0; 4]].concat() }
    }

    fn append(&mut self, data: &[u8]) -> u32 {
        let at = self.bytes.len() as u32;
        self.bytes.extend(data);
        self.bytes.resize(self.bytes.len().next_multiple_of(2), 0);
        at
    }

    /// Appends a directory, of integers of 32 bits; returns its offset.
    fn directory(&mut self, entries: &[(u16, Vec<u32>)]) -> u32 {
        let mut written = Vec::new();
        for (tag, numbers) in entries {
            const OFFSETS_AND_LENGTHS: [u16; 7] = [273, 279, 324, 325, 330, 513, 514];
            let is_long = OFFSETS_AND_LENGTHS.contains(tag);
            let size = if is_long { 4 } else { 2 };
            let data = numbers.iter().flat_map(|n| n.to_le_bytes()[..size].to_vec());
            let mut data: Vec<u8> = data.collect();
            if data.len() > 4 {
                data = self.append(&data).to_le_bytes().to_vec();
            }
            data.resize(4, 0);
            let kind: u16 = if is_long { 4 } else { 3 };
            written.extend([tag.to_le_bytes(), kind.to_le_bytes()].concat());
            written.extend((numbers.len() as u32).to_le_bytes());
            written.extend(data);
        }
        let count = (entries.len() as u16).to_le_bytes();
        self.append(&[&count[..], &written, &[0; 4]].concat())
    }

    fn finish(mut self, first: u32) -> Vec<u8> {
        self.bytes[4..8].copy_from_slice(&first.to_le_bytes());
        self.bytes
    }
}

/// A file as NEF and DNG are: a thumbnail first, then the sensor's values and two JPEGs below it.
fn raw_file(orientation: u32) -> Vec<u8> {
    let mut tiff = Tiff::new(b"II*\0");
    let thumbnail = tiff.append(&[40; 4 * 4 * 3]);
    let sensor = tiff.append(&[7; 64 * 48]);
    let jpegs: Vec<(u32, u32)> = [gradient(48, 32), gradient(96, 64)]
        .map(|picture| picture.to_jpeg(90).unwrap())
        .iter()
        .map(|jpeg| (tiff.append(jpeg), jpeg.len() as u32))
        .collect();
    let mut below = vec![tiff.directory(&[
        (254, vec![0]),
        (256, vec![64]),
        (257, vec![48]),
        (259, vec![34713]),
        (262, vec![32803]),
        (273, vec![sensor]),
        (279, vec![64 * 48]),
    ])];
    for (offset, length) in jpegs {
        below.push(tiff.directory(&[
            (254, vec![1]),
            (259, vec![6]),
            (513, vec![offset]),
            (514, vec![length]),
        ]));
    }
    let first = tiff.directory(&[
        (254, vec![1]),
        (256, vec![4]),
        (257, vec![4]),
        (258, vec![8, 8, 8]),
        (259, vec![1]),
        (262, vec![2]),
        (273, vec![thumbnail]),
        (274, vec![orientation]),
        (277, vec![3]),
        (279, vec![48]),
        (330, below),
    ]);
    tiff.finish(first)
}

#[test]
fn of_a_raw_file_the_largest_jpeg_is_decoded_and_turned() {
    let picture = decoded(&raw_file(1));
    assert_eq!(picture.format(), Some(PictureFormat::Raw));
    assert_eq!((picture.width(), picture.height()), (96, 64));
    let jpeg = decoded(&gradient(96, 64).to_jpeg(90).unwrap());
    assert_eq!(picture.pixels(), jpeg.pixels());
    let turned = decoded(&raw_file(6));
    assert_eq!((turned.width(), turned.height()), (64, 96));
    let orientation = Orientation::from_exif_chunk(exif_block(&raw_file(6)).unwrap());
    assert_eq!(orientation, Some(Orientation::Rotate90));
}

#[test]
fn raw_files_without_directories_are_searched_for_their_jpegs() {
    let (small, large) =
        (gradient(32, 16).to_jpeg(80).unwrap(), gradient(64, 48).to_jpeg(80).unwrap());
    let fuji =
        [&b"FUJIFILMCCD-RAW 0201"[..], &[0; 64], &small, &[9; 100], &large, &[1; 50]].concat();
    let canon = [&[0, 0, 0, 24][..], b"ftypcrx ", &[0; 12], &large, &[2; 20], &small].concat();
    for bytes in [fuji, canon] {
        let picture = decoded(&bytes);
        assert_eq!((picture.width(), picture.height()), (64, 48));
        assert_eq!(picture.format(), Some(PictureFormat::Raw));
    }
    let none = Picture::from_bytes(b"FUJIFILMCCD-RAW 0201 and nothing", "a.raf").unwrap_err();
    assert!(none.to_string().contains("without a JPEG"), "{none}");
}

#[test]
fn every_cut_of_a_raw_file_is_a_picture_or_an_error() {
    let bytes = raw_file(8);
    for length in (8..bytes.len()).step_by(61) {
        let _ = Picture::from_bytes(&bytes[..length], "cut.nef");
    }
}

#[test]
fn palettes_of_four_bits_and_tiles_of_single_planes_are_decoded() {
    // 5 x 2 pixels of four bits: rows end at bytes.
    let mut tiff = Tiff::new(b"II*\0");
    let strip = tiff.append(&[0x01, 0x2f, 0x00, 0xf2, 0x10, 0x00]);
    let map: Vec<u32> = (0..48).map(|level| level % 16 * 0x1111).collect();
    let first = tiff.directory(&[
        (256, vec![5]),
        (257, vec![2]),
        (258, vec![4]),
        (259, vec![1]),
        (262, vec![3]),
        (273, vec![strip]),
        (277, vec![1]),
        (278, vec![2]),
        (279, vec![6]),
        (320, map),
    ]);
    let picture = decoded(&tiff.finish(first));
    let levels: Vec<u8> = picture.to_rgb8().into_iter().step_by(3).collect();
    assert_eq!(levels, [0, 1, 2, 15, 0, 15, 2, 1, 0, 0].map(|level| level * 17));

    // Grey with alpha in separate planes of two tiles of 16 x 16, packed by PackBits.
    let mut tiff = Tiff::new(b"II*\0");
    let tile = |level: u8| [129_u8, level].repeat(2);
    let tiles: Vec<u32> = [10, 20, 255, 255].map(|level| tiff.append(&tile(level))).to_vec();
    let first = tiff.directory(&[
        (256, vec![20]),
        (257, vec![3]),
        (258, vec![8, 8]),
        (259, vec![32773]),
        (262, vec![1]),
        (277, vec![2]),
        (284, vec![2]),
        (322, vec![16]),
        (323, vec![16]),
        (324, tiles),
        (325, vec![4; 4]),
        (338, vec![2]),
    ]);
    let picture = decoded(&tiff.finish(first));
    assert_eq!((picture.width(), picture.height(), picture.source_channels()), (20, 3, 2));
    let Pixels::Rgb8(rgb) = picture.pixels() else { panic!("eight bits") };
    assert_eq!((rgb[0], rgb[15 * 3], rgb[16 * 3], rgb[19 * 3]), (10, 10, 20, 20));
}

#[test]
fn formats_without_a_decoder_are_named() {
    let names = [("hevc", "HEIC"), ("avif", "AVIF")];
    for (brand, name) in names {
        let bytes = [&[0, 0, 0, 24][..], b"ftyp", brand.as_bytes(), &[0; 20]].concat();
        let error = Picture::from_bytes(&bytes, "photo").unwrap_err().to_string();
        assert!(error.contains(name), "{error}");
    }
    assert!(!lorgnette::picture::has_photo_extension(Path::new("a.txt")));
    assert!(lorgnette::picture::has_photo_extension(Path::new("a.CR3")));
}

/// Fails if a picture is further than allowed from the one beside it, which Pillow wrote.
fn assert_as_pillow(name: &str, allowed: PixelTolerance) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/containers");
    let found = Picture::open(folder.join(name)).unwrap_or_else(|error| panic!("{error}"));
    let expected = Picture::open(folder.join(format!("{name}.png"))).unwrap();
    let size = |picture: &Picture| (picture.width(), picture.height());
    assert_eq!(size(&found), size(&expected), "{name}");
    let (found, expected) = (found.to_rgb8(), expected.to_rgb8());
    let apart: Vec<u8> = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).collect();
    let mean = apart.iter().map(|&level| f64::from(level)).sum::<f64>() / apart.len() as f64;
    let largest = apart.into_iter().max().unwrap();
    assert!(
        mean <= allowed.mean && largest <= allowed.largest,
        "{name}: {mean} on average, {largest} at most, allowed {allowed:?}"
    );
}

const EXACT: PixelTolerance = PixelTolerance { mean: 0.0, largest: 0 };

#[test]
fn tiffs_that_libtiff_writes_have_its_pixels() {
    for name in ["palette_lzw.tif", "deflate_big.tif", "grey_alpha_packbits.tif"] {
        assert_as_pillow(name, EXACT);
    }
    assert_as_pillow("ycbcr.tif", tolerance::TIFF_JPEG);
}

#[cfg(feature = "heic")]
#[test]
fn heic_has_libheifs_pixels() {
    assert_as_pillow("chroma_444.heic", tolerance::HEIC_444);
    assert_as_pillow("turned.heic", tolerance::HEIC_444);
    assert_as_pillow("chroma_420.heic", tolerance::HEIC_420);
}

#[cfg(feature = "jxl")]
#[test]
fn jpeg_xl_has_libjxls_pixels() {
    assert_as_pillow("lossless.jxl", EXACT);
    assert_as_pillow("grey.jxl", EXACT);
    assert_as_pillow("lossy.jxl", tolerance::JPEG_XL_LOSSY);
}

#[cfg(any(feature = "heic", feature = "jxl"))]
#[test]
fn every_cut_of_a_container_is_a_picture_or_an_error() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/containers");
    for name in ["chroma_420.heic", "lossy.jxl"] {
        let bytes = fs::read(folder.join(name)).unwrap();
        for length in (16..bytes.len()).step_by(97) {
            let _ = Picture::from_bytes(&bytes[..length], name);
        }
        let small = lorgnette::picture::OpenOptions { max_pixels: 100, ..Default::default() };
        assert!(small.decode(&bytes, name).is_err(), "{name}: 6912 pixels are more than 100");
    }
}
