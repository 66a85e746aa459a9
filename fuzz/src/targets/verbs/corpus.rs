//! The sound files that the target of verbs damages.

use std::fs;
use std::path::{Path, PathBuf};

use lorgnette::Picture;

use super::program;
use crate::capture::Capture;
use crate::targets::{repository, unpack};

/// Small models written by TensorFlow.
const MODELS: &str = "crates/lorgnette-net/tests/models.tar.gz";
/// A folder of one of them, and the graph that is trained on.
pub(super) const GRAPH: &str = "retrained/output_graph.pb";
/// Options of models that do not say how they want their pictures.
pub(super) const OPTIONS: &[&str] = &["--size", "12x10", "--preprocess", "none"];

/// A file, where it lies, and how it is used.
pub(super) struct Seed {
    /// Its path in a copy of the corpus.
    pub(super) path: PathBuf,
    pub(super) kind: Kind,
    pub(super) bytes: Vec<u8>,
}

/// The kind of a file to the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Part of the model at this path in a copy of the corpus. The options are those it needs.
    Model { path: PathBuf, options: &'static [&'static str] },
    /// A photo.
    Photo,
    /// A library of photos.
    Library,
    /// A list of photos with their labels.
    Table,
    /// The sidecar of a photo.
    Sidecar,
}

impl Kind {
    /// All files of a trained model.
    fn trained() -> Self {
        Self::Model { path: "trained".into(), options: &[] }
    }

    /// A model of one file, or a folder.
    fn model(path: &str) -> Self {
        Self::Model { path: path.into(), options: OPTIONS }
    }
}

/// Writes the sound files into `folder` and returns those that are damaged. `capture` takes what
/// the program says meanwhile.
pub(super) fn write(folder: &Path, capture: &mut Capture) -> Vec<Seed> {
    unpack(MODELS, folder);
    write_photos(folder);
    let path = |name: &str| folder.join(name).to_string_lossy().into_owned();
    let mut made = |arguments: &[&str]| {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.into()).collect();
        let ended = program::run(capture, &arguments).expect("the program's output can be read");
        assert_eq!(ended.code, 0, "{arguments:?}: {}", ended.errors());
    };
    let (graph, trained, table) = (path(GRAPH), path("trained"), path("photos.csv"));
    let (library, cache) = (path("photos.lgn"), path("features"));
    let shared = ["--model", &graph, OPTIONS[0], OPTIONS[1], OPTIONS[2], OPTIONS[3]];
    let train = ["train", &table, "--out", &trained, "--cache", &cache, "--epochs", "3"];
    made(&[&train[..], &super::SPLIT, &shared].concat());
    made(&["models", "convert", &graph, "--out", &path("sound.plan")]);
    made(&["export", &graph, "--to", "onnx", "--out", &path("sound.onnx"), "--size", "12x10"]);
    made(&[&["index", &path("two"), "--library", &library], &shared[..]].concat());
    made(&["library", "vacuum", "--library", &library]);
    let sidecars = ["--write-sidecars", "--sidecar-probability", "0"];
    let other = path("other.lgn");
    made(&[&["index", &path("beside"), "--library", &other], &shared[..], &sidecars].concat());
    archive(&folder.join(GRAPH), &folder.join("archive.tgz")).expect("an archive can be written");
    seeds(folder)
}

/// Returns the files that are damaged.
fn seeds(folder: &Path) -> Vec<Seed> {
    let seed = |path: &str, kind: Kind| Seed {
        path: path.into(),
        kind,
        bytes: fs::read(folder.join(path)).unwrap_or_else(|error| panic!("{path}: {error}")),
    };
    let mut seeds = Vec::new();
    for name in ["model.json", "weights.npy", "biases.npy", "labels.txt", "split.csv"] {
        seeds.push(seed(&format!("trained/{name}"), Kind::trained()));
    }
    for path in [GRAPH, "sound.plan", "sound.onnx", "archive.tgz"] {
        seeds.push(seed(path, Kind::model(path)));
    }
    let checkpoint = "meta_reference/model.ckpt-100";
    for name in ["checkpoint", "model.ckpt-100.meta", "model.ckpt-100.index"] {
        seeds.push(seed(&format!("meta_reference/{name}"), Kind::model("meta_reference")));
    }
    let data = format!("{checkpoint}.data-00000-of-00001");
    seeds.push(seed(&data, Kind::model("meta_reference")));
    for name in ["classify_image_graph_def.pb", "imagenet_2012_challenge_label_map_proto.pbtxt"] {
        seeds.push(seed(&format!("decoding/{name}"), Kind::model("decoding")));
    }
    for name in [
        "alpha.webp",
        "animated.gif",
        "baseline_420.jpg",
        "cmyk_adobe.jpg",
        "grey_16_bit.png",
        "jpeg_inside.tiff",
        "orientation_5.png",
        "orientation_6.jpg",
        "orientation_6.tiff",
        "orientation_6.webp",
        "palette_8_bit.bmp",
        "progressive_420.jpg",
    ] {
        let path = repository("crates/lorgnette/tests/photos").join(name);
        let bytes = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let extension = name.rsplit('.').next().unwrap_or_default();
        let path = PathBuf::from(format!("odd/photo.{extension}"));
        seeds.push(Seed { path, kind: Kind::Photo, bytes });
    }
    let bytes = fs::read(folder.join("two/metadata.jpg")).expect("a sound photo");
    seeds.push(Seed { path: "odd/photo.jpg".into(), kind: Kind::Photo, bytes });
    seeds.push(seed("photos.lgn", Kind::Library));
    seeds.push(seed("photos.csv", Kind::Table));
    seeds.push(seed("beside/photo.jpg.xmp", Kind::Sidecar));
    seeds
}

/// Writes twelve photos of two classes, a list of them, and folders of a few.
fn write_photos(folder: &Path) {
    let mut table = "path,label\n".to_owned();
    for name in ["photos", "two", "beside"] {
        fs::create_dir_all(folder.join(name)).expect("a folder to write to");
    }
    for number in 0..12_u8 {
        let class = ["red", "blue"][usize::from(number % 2)];
        let level = |at: usize| [200, 20, 40][(at + usize::from(number)) % 3] + number;
        let pixels = (0..24 * 20 * 3).map(level).collect();
        let path = folder.join(format!("photos/{number}.png"));
        Picture::from_rgb8(24, 20, pixels)
            .and_then(|picture| picture.save(&path))
            .expect("a photo can be written");
        table += &format!("{},{class}\n", path.display());
    }
    fs::write(folder.join("photos.csv"), table).expect("a list can be written");
    let plain = fs::read(repository("crates/lorgnette/tests/photos/baseline_420.jpg"))
        .expect("a photo of the tests");
    let rich = with_metadata(&plain);
    for (path, bytes) in
        [("two/metadata.jpg", &rich), ("beside/photo.jpg", &rich), ("two/plain.jpg", &plain)]
    {
        fs::write(folder.join(path), bytes).expect("a photo can be written");
    }
}

/// Returns a JPEG with EXIF that has a maker's note and a thumbnail, XMP with regions, IPTC, a
/// comment, and a colour profile that is none.
fn with_metadata(plain: &[u8]) -> Vec<u8> {
    let segment = |marker: u8, content: &[u8]| {
        let length = u16::try_from(content.len() + 2).expect("a segment is short").to_be_bytes();
        [&[0xff, marker], &length[..], content].concat()
    };
    const XMP: &str = "http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF \
        xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'><rdf:Description \
        xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:tiff='http://ns.adobe.com/tiff/1.0/' \
        tiff:Orientation='6'><dc:subject><rdf:Bag><rdf:li>cat</rdf:li></rdf:Bag></dc:subject>\
        </rdf:Description></rdf:RDF></x:xmpmeta>";
    const IPTC: &[u8] = b"Photoshop 3.0\08BIM\x04\x04\0\0\0\0\0\x0a\x1c\x02\x19\0\x03cat\0";
    let parts = [
        segment(0xe1, &exif(plain)),
        segment(0xe1, XMP.as_bytes()),
        segment(0xe2, b"ICC_PROFILE\0\x01\x01no profile"),
        segment(0xed, IPTC),
        segment(0xfe, b"a comment"),
    ];
    [&plain[..2], &parts.concat(), &plain[2..]].concat()
}

/// Returns EXIF: two directories, one for the camera, a place, a maker's note that has a JPEG, and
/// a thumbnail.
fn exif(thumbnail: &[u8]) -> Vec<u8> {
    const ASCII: u16 = 2;
    const SHORT: u16 = 3;
    const LONG: u16 = 4;
    const RATIONAL: u16 = 5;
    const UNDEFINED: u16 = 7;
    let entry = |tag: u16, kind: u16, count: usize, value: [u8; 4]| {
        let count = u32::try_from(count).expect("a short value").to_le_bytes();
        [&tag.to_le_bytes()[..], &kind.to_le_bytes(), &count, &value].concat()
    };
    let offset = |at: usize| u32::try_from(at).expect("a short block").to_le_bytes();
    let directory = |entries: &[Vec<u8>], next: usize| {
        let count = u16::try_from(entries.len()).expect("few entries").to_le_bytes();
        [&count[..], &entries.concat(), &offset(next)].concat()
    };
    let length = |entries: usize| 2 + 12 * entries + 4;
    let camera = 8 + length(6);
    let place = camera + length(2);
    let second = place + length(2);
    let values = second + length(2);
    let (date, resolution, latitude, image) = (values, values + 20, values + 28, values + 52);
    let parts = [
        b"Exif\0\0II*\0\x08\0\0\0".to_vec(),
        directory(
            &[
                entry(0x010f, ASCII, 4, *b"abc\0"),
                entry(0x0112, SHORT, 1, [6, 0, 0, 0]),
                entry(0x011a, RATIONAL, 1, offset(resolution)),
                entry(0x0132, ASCII, 20, offset(date)),
                entry(0x8769, LONG, 1, offset(camera)),
                entry(0x8825, LONG, 1, offset(place)),
            ],
            second,
        ),
        directory(
            &[
                entry(0x9003, ASCII, 20, offset(date)),
                entry(0x927c, UNDEFINED, thumbnail.len(), offset(image)),
            ],
            0,
        ),
        directory(&[entry(1, ASCII, 2, *b"N\0\0\0"), entry(2, RATIONAL, 3, offset(latitude))], 0),
        directory(
            &[
                entry(0x0201, LONG, 1, offset(image)),
                entry(0x0202, LONG, 1, offset(thumbnail.len())),
            ],
            0,
        ),
        b"2024:02:29 12:34:56\0".to_vec(),
        [72_u32, 1].map(u32::to_le_bytes).concat(),
        [48_u32, 1, 8, 1, 30, 1].map(u32::to_le_bytes).concat(),
        thumbnail.to_vec(),
    ];
    parts.concat()
}

fn archive(graph: &Path, out: &Path) -> std::io::Result<()> {
    let file = flate2::write::GzEncoder::new(fs::File::create(out)?, flate2::Compression::fast());
    let mut archive = tar::Builder::new(file);
    archive.append_path_with_name(graph, "graph.pb")?;
    archive.into_inner()?.finish()?;
    Ok(())
}
