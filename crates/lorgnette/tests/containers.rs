//! Photos as cameras, telephones and scanners write them: the right picture of a file, upright.

use std::fs;
use std::path::{Path, PathBuf};

use image::metadata::Orientation;
use lorgnette::picture::{
    Metadata, OpenOptions, Picture, PictureFormat, Pixels, Transform, exif_block,
};
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
            const OFFSETS_AND_LENGTHS: [u16; 8] = [273, 279, 324, 325, 330, 513, 514, 34665];
            /// Tags of letters: when the picture was taken, and when the file was changed.
            const TEXTS: [u16; 2] = [306, 36867];
            /// Tags of bytes: a preview.
            const BYTES: [u16; 1] = [46];
            let (kind, size): (u16, usize) = match tag {
                tag if OFFSETS_AND_LENGTHS.contains(tag) => (4, 4),
                tag if TEXTS.contains(tag) => (2, 1),
                tag if BYTES.contains(tag) => (7, 1),
                _ => (3, 2),
            };
            let data = numbers.iter().flat_map(|n| n.to_le_bytes()[..size].to_vec());
            let mut data: Vec<u8> = data.collect();
            if data.len() > 4 {
                data = self.append(&data).to_le_bytes().to_vec();
            }
            data.resize(4, 0);
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
    let orientation = Orientation::from_exif_chunk(&exif_block(&raw_file(6)).unwrap());
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

/// Letters as the integers of an entry.
fn text(text: &str) -> Vec<u32> {
    text.bytes().chain([0]).map(u32::from).collect()
}

#[test]
fn raw_files_of_other_magic_numbers_have_a_time_and_are_turned() {
    const TAKEN: &str = "2024:05:06 07:08:09";
    let jpeg = gradient(64, 48).to_jpeg(80).unwrap();
    // Olympus' preview is in a note of its own, Panasonic's in an entry.
    let like_tiff = |magic: &[u8; 4], preview: Option<Vec<u32>>| {
        let mut file = Tiff::new(magic);
        let details = file.directory(&[(36867, text(TAKEN))]);
        let mut entries = vec![(274, vec![6]), (306, text("2025:01:01 00:00:00"))];
        entries.extend(preview.map(|bytes| (46, bytes)));
        entries.push((34665, vec![details]));
        let first = file.directory(&entries);
        file.append(&jpeg);
        file.finish(first)
    };
    let bytes = jpeg.iter().map(|&byte| u32::from(byte)).collect();
    // Canon has the first directory and the details in blocks of their own.
    let block = |entries: &[(u16, Vec<u32>)]| {
        let mut file = Tiff::new(b"II*\0");
        let first = file.directory(entries);
        file.finish(first)
    };
    let (main, details) = (block(&[(274, vec![6])]), block(&[(36867, text(TAKEN))]));
    let canon =
        [&[0, 0, 0, 24][..], b"ftypcrx ", &[0; 12], b"CMT1", &main, b"CMT2", &details, &jpeg];
    let files = [
        ("ORF", like_tiff(b"IIRO", None)),
        ("RW2", like_tiff(b"IIU\0", Some(bytes))),
        ("CR3", canon.concat()),
    ];
    for (name, file) in files {
        let picture = decoded(&file);
        assert_eq!((picture.width(), picture.height()), (48, 64), "{name}");
        let metadata = Metadata::from_bytes(&file);
        assert_eq!(metadata.taken(), Some(TAKEN), "{name}");
        assert_eq!(metadata.orientation(), Orientation::Rotate90, "{name}");
    }
}

#[test]
fn a_raw_file_whose_jpeg_is_none_is_refused_as_such() {
    // As Canon's, whose first directory is not at 16: its strip says that it is a JPEG.
    let mut file = Tiff::new(b"II*\0");
    file.append(b"CR\x02\0\0\0\0\0");
    let strip = file.append(b"no JPEG");
    let first = file.directory(&[
        (256, vec![64]),
        (257, vec![48]),
        (259, vec![6]),
        (262, vec![6]),
        (273, vec![strip]),
        (279, vec![7]),
    ]);
    let error = Picture::from_bytes(&file.finish(first), "a.cr2").unwrap_err().to_string();
    assert!(error.contains("a raw photo without a JPEG"), "{error}");
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
fn faxes_and_bytes_in_the_other_order_are_decoded() {
    // Two rows of 16 pixels, black from the fifth to the twelfth.
    let huffman = [0b1011_0001, 0b0110_1100].repeat(2);
    // A mark of eleven zeros and a one before each row.
    let group_3 = [0x00, 0x1b, 0x16, 0xc0, 0x00, 0x1b, 0x16, 0xc0];
    // A row of runs, and one whose changes are below the first one's.
    let group_4 = [0b0011_0110, 0b0010_1111, 0b1000_0000];
    let plain = [0b0000_1111, 0b1111_0000].repeat(2);
    let expected: Vec<u8> =
        (0..32).map(|at| if (4..12).contains(&(at % 16)) { 0 } else { 255 }).collect();
    for (compression, strip) in
        [(1, &plain[..]), (2, &huffman[..]), (3, &group_3[..]), (4, &group_4[..])]
    {
        for fill_order in [1, 2] {
            let bytes: Vec<u8> = match fill_order {
                1 => strip.to_vec(),
                _ => strip.iter().map(|byte| byte.reverse_bits()).collect(),
            };
            let file = fax(compression, fill_order, &bytes);
            let levels: Vec<u8> = decoded(&file).to_rgb8().into_iter().step_by(3).collect();
            assert_eq!(levels, expected, "compression {compression}, order {fill_order}");
            let cut = fax(compression, fill_order, &bytes[..1]);
            let is_missed = Picture::from_bytes(&cut, "cut.tif").is_err();
            assert!(is_missed || compression == 1, "compression {compression}");
        }
    }
}

/// A TIFF of two rows of 16 pixels, a bit each, 0 for white.
fn fax(compression: u32, fill_order: u32, strip: &[u8]) -> Vec<u8> {
    let mut tiff = Tiff::new(b"II*\0");
    let at = tiff.append(strip);
    let first = tiff.directory(&[
        (256, vec![16]),
        (257, vec![2]),
        (258, vec![1]),
        (259, vec![compression]),
        (262, vec![0]),
        (266, vec![fill_order]),
        (273, vec![at]),
        (277, vec![1]),
        (278, vec![2]),
        (279, vec![strip.len() as u32]),
    ]);
    tiff.finish(first)
}

#[test]
fn formats_without_a_decoder_are_named() {
    let built =
        [("hevc", "HEIC", cfg!(feature = "heic")), ("avif", "AVIF", cfg!(feature = "avif"))];
    for (brand, name, is_built) in built {
        let bytes = [&[0, 0, 0, 24][..], b"ftyp", brand.as_bytes(), &[0; 20]].concat();
        let error = Picture::from_bytes(&bytes, "photo").unwrap_err().to_string();
        assert!(error.contains(name) || is_built, "{error}");
        assert!(error.contains("photo"), "{error}");
    }
    assert!(!lorgnette::picture::has_photo_extension(Path::new("a.txt")));
    assert!(lorgnette::picture::has_photo_extension(Path::new("a.CR3")));
}

/// The files of `oracle/make_container_fixtures.py`: small ones, or those that `.ci/run photos` has
/// just made.
fn containers() -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/containers");
    std::env::var_os("LORGNETTE_CONTAINERS").map_or_else(own, PathBuf::from)
}

fn container(name: &str) -> Vec<u8> {
    fs::read(containers().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

const EXACT: PixelTolerance = PixelTolerance { mean: 0.0, largest: 0 };

/// The difference to Pillow's pixels that is allowed; `None` for formats that are not built.
fn allowed(name: &str) -> Option<PixelTolerance> {
    let (_, extension) = name.rsplit_once('.').unwrap();
    let features = [
        ("heic", cfg!(feature = "heic")),
        ("avif", cfg!(feature = "avif")),
        ("jxl", cfg!(feature = "jxl")),
    ];
    let is_built = features.iter().all(|&(name, is_on)| is_on || name != extension);
    let tolerance = match (extension, name) {
        (_, "ycbcr.tif") => tolerance::TIFF_JPEG,
        (_, "chroma_420.heic" | "chroma_422.heic") => tolerance::HEIC_420,
        ("heic", _) => tolerance::HEIC_444,
        (_, "lossy.jxl") => tolerance::JPEG_XL_LOSSY,
        (_, "turned_3.jxl" | "turned_6.jxl") => tolerance::JPEG_XL_LOSSY,
        ("avif", _) => tolerance::AVIF,
        _ => EXACT,
    };
    is_built.then_some(tolerance)
}

/// The names of the files that have their pixels beside them.
fn names() -> Vec<String> {
    let entries = fs::read_dir(containers()).unwrap();
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let names = names.filter_map(|name| {
        let file = name.strip_suffix(".png")?;
        containers().join(file).exists().then(|| file.to_owned())
    });
    let mut names: Vec<String> = names.collect();
    names.sort();
    names
}

/// Levels apart on average and at most; an error if the pictures differ in size.
fn apart(found: &Picture, expected: &Picture) -> Result<(f64, u8), String> {
    let size = |picture: &Picture| (picture.width(), picture.height());
    if size(found) != size(expected) {
        return Err(format!("{:?} in place of {:?}", size(found), size(expected)));
    }
    let (found, expected) = (found.to_rgb8(), expected.to_rgb8());
    let apart: Vec<u8> = found.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).collect();
    let mean = apart.iter().map(|&level| f64::from(level)).sum::<f64>() / apart.len() as f64;
    Ok((mean, apart.into_iter().max().unwrap()))
}

#[test]
fn pixels_are_those_of_pillow() {
    // TensorFlow's transform of JPEGs is another.
    let options = OpenOptions { jpeg_transform: Transform::Accurate, ..OpenOptions::default() };
    let mut wrong = Vec::new();
    let names = names();
    assert!(names.len() > 50, "{names:?}");
    for name in names {
        let Some(allowed) = allowed(&name) else { continue };
        let expected = Picture::open(containers().join(format!("{name}.png"))).unwrap();
        let found = options.decode(&container(&name), &name);
        let apart = found.map_err(|error| error.to_string()).and_then(|f| apart(&f, &expected));
        println!("{name}: {apart:?}, allowed {allowed:?}");
        if !apart.is_ok_and(|(mean, most)| mean <= allowed.mean && most <= allowed.largest) {
            wrong.push(name);
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Files of a picture that is higher than wide and is stored as wider than high, by the place of
/// its orientation.
const TURNED: [(&str, &str); 15] = [
    ("turned.heic", "irot"),
    ("mirrored.heic", "irot and imir"),
    ("turned_6.avif", "irot"),
    ("turned_7.avif", "irot and imir"),
    ("turned_6.jxl", "the codestream"),
    ("turned.tif", "the directory"),
    ("turned_by_xmp.tif", "XMP in the directory"),
    ("turned_by_xmp.jpg", "XMP in a segment"),
    ("exif_first.png", "eXIf before the pixels"),
    ("exif_last.png", "eXIf behind the pixels"),
    ("exif_prefix.png", "eXIf with a JPEG's prefix"),
    ("xmp.png", "XMP in a text chunk"),
    ("xmp_compressed.png", "XMP in a compressed text chunk"),
    ("exif.webp", "EXIF in a chunk"),
    ("exif_prefix.webp", "EXIF with a JPEG's prefix"),
];

#[test]
fn orientation_is_applied_once_from_every_place() {
    for (name, place) in TURNED {
        if allowed(name).is_none() {
            continue;
        }
        let picture = decoded(&container(name));
        assert!(picture.width() < picture.height(), "{name}: {place}");
        assert_eq!(picture.source_size(), (picture.width(), picture.height()));
        // libheif and heifer turn what they decode.
        if name.ends_with(".heic") {
            continue;
        }
        let options = OpenOptions { ignore_orientation: true, ..OpenOptions::default() };
        let stored = options.decode(&container(name), name).unwrap();
        assert_eq!(
            (stored.width(), stored.height()),
            (picture.height(), picture.width()),
            "{name}: {place}"
        );
    }
}

/// Puts an orientation into an EXIF block, in place of the one there or of the description.
fn with_exif_orientation(file: &[u8], number: u8) -> Vec<u8> {
    let mut file = file.to_vec();
    // Tag, type and number of values.
    let entries = [b"\x01\x12\0\x03\0\0\0\x01", b"\x01\x0e\0\x02\0\0\0\x07"];
    let find = |entry: &&[u8; 8]| file.windows(8).position(|window| window == *entry);
    let at = entries.iter().find_map(find).expect("the block has an entry");
    let entry = [&b"\x01\x12\0\x03\0\0\0\x01\0"[..], &[number, 0, 0]].concat();
    file[at..at + 12].copy_from_slice(&entry);
    file
}

#[test]
fn exif_turns_neither_heic_nor_avif() {
    for name in ["everything.heic", "turned_6.avif"] {
        if allowed(name).is_none() {
            continue;
        }
        let file = container(name);
        let turned = with_exif_orientation(&file, 8);
        assert_ne!(turned, file);
        let block = exif_block(&turned).unwrap();
        assert_eq!(Orientation::from_exif_chunk(&block), Some(Orientation::Rotate270), "{name}");
        assert_eq!(decoded(&turned).pixels(), decoded(&file).pixels(), "{name}");
    }
}

#[test]
fn the_time_is_found_in_every_container() {
    let names =
        ["everything.heic", "turned_6.avif", "everything.jxl", "exif_last.png", "exif.webp"];
    for name in names {
        if allowed(name).is_some() {
            let metadata = Metadata::from_bytes(&container(name));
            assert_eq!(metadata.taken(), Some("2024:05:06 07:08:09"), "{name}");
        }
    }
}

#[cfg(feature = "avif")]
#[test]
fn alpha_and_grey_are_channels_of_the_file() {
    let channels = |name: &str| decoded(&container(name)).source_channels();
    let names = ["chroma_420.avif", "grey.avif", "alpha.avif"];
    assert_eq!(names.map(channels), [3, 1, 4]);
}

/// The decoder is not let take memory for more pixels than the file says that it has.
#[cfg(feature = "avif")]
#[test]
fn an_avif_of_another_size_than_it_says_is_refused() {
    let mut file = container("bt709.avif");
    let width = Picture::from_bytes(&file, "whole.avif").unwrap().width() as u32;
    let at = file.windows(4).position(|kind| kind == b"ispe").unwrap() + 8;
    assert_eq!(file[at..at + 4], width.to_be_bytes());
    file[at..at + 4].copy_from_slice(&(width / 2).to_be_bytes());
    let error = Picture::from_bytes(&file, "small.avif").unwrap_err().to_string();
    assert!(error.contains("another size than it says"), "{error}");
}

#[cfg(any(feature = "heic", feature = "avif", feature = "jxl"))]
#[test]
fn every_cut_of_a_container_is_a_picture_or_an_error() {
    for name in ["chroma_420.heic", "chroma_420.avif", "grid_420.avif", "lossy.jxl"] {
        if allowed(name).is_none() {
            continue;
        }
        let bytes = container(name);
        for length in (16..bytes.len()).step_by(97) {
            let _ = Picture::from_bytes(&bytes[..length], name);
        }
        let small = OpenOptions { max_pixels: 100, ..OpenOptions::default() };
        assert!(small.decode(&bytes, name).is_err(), "{name}: more than 100 pixels");
    }
}

/// A JPEG segment.
fn segment(marker: u8, content: &[u8]) -> Vec<u8> {
    let length = (content.len() as u16 + 2).to_be_bytes();
    [&[0xff, marker][..], &length, content].concat()
}

/// A short film as telephones append it.
fn film() -> Vec<u8> {
    [&b"\0\0\0\x18ftypmp42\0\0\0\0isommp42\0\0\0\x10mdat\xff\xd8\xff\xe0"[..], &[7; 4]].concat()
}

/// The first picture, with what telephones put into it and behind it.
fn with_companions(picture: &[u8], xmp: &str, companion: &[u8]) -> Vec<u8> {
    let xmp = segment(0xe1, &[b"http://ns.adobe.com/xap/1.0/\0", xmp.as_bytes()].concat());
    // The index of two pictures (CIPA DC-007): offsets from here.
    let entries = [0_u32, 0x0003_0000, picture.len() as u32, 0, 0, 0, 0, companion.len() as u32];
    let entries: Vec<u8> = entries.iter().flat_map(|number| number.to_be_bytes()).collect();
    let index =
        [&b"MPF\0MM\0*\0\0\0\x08\0\x01\xb0\x02\0\x07\0\0\0\x20\0\0\0\x1a"[..], &[0; 4], &entries];
    let index = segment(0xe2, &index.concat());
    [&picture[..2], &xmp, &index, &picture[2..], companion].concat()
}

#[test]
fn of_a_file_of_several_pictures_the_main_one_is_decoded() {
    let main = gradient(96, 64).to_jpeg(90).unwrap();
    let expected = decoded(&main);
    let gain_map = gradient(24, 16).to_jpeg(90).unwrap();
    let hdr = "<rdf:Description hdrgm:Version='1.0'><Container:Directory><Item:Semantic>Primary\
               </Item:Semantic><Item:Semantic>GainMap</Item:Semantic></Container:Directory>";
    let motion = "<rdf:Description GCamera:MotionPhoto='1'><Container:Directory/>";
    let old_motion = "<rdf:Description GCamera:MicroVideo='1' GCamera:MicroVideoOffset='32'/>";
    let samsung = [film(), b"MotionPhoto_Data\0\0SEFH\x6b\0\0\0\x01\0\0\0SEFT".to_vec()].concat();
    let larger = gradient(192, 128).to_jpeg(90).unwrap();
    let files = [
        ("Ultra HDR", with_companions(&main, hdr, &gain_map)),
        ("MPO of a larger second picture", with_companions(&main, "", &larger)),
        ("a motion photo", with_companions(&main, motion, &film())),
        ("a motion photo of 2018", with_companions(&main, old_motion, &film())),
        ("Samsung's motion photo", [&main[..], &samsung].concat()),
    ];
    for (name, file) in files {
        let picture = decoded(&file);
        assert_eq!(picture.format(), Some(PictureFormat::Jpeg), "{name}");
        assert_eq!(picture.pixels(), expected.pixels(), "{name}");
    }
    for name in ["everything.heic", "chroma_420.avif"] {
        if allowed(name).is_some() {
            let photo = container(name);
            let film = film();
            let length = (film.len() as u32 + 8).to_be_bytes();
            let motion = [&photo[..], &length, b"mpvd", &film].concat();
            assert_eq!(decoded(&motion).pixels(), decoded(&photo).pixels(), "{name}");
        }
    }
}
