//! Time and memory grow with the input and not with its square, wherever a stranger chooses how
//! much there is: every input is made twice, the second time four times as large. A quarter of an
//! input whose time grows with the square takes a sixteenth of the time.

#![cfg(target_os = "linux")]

use std::fmt::{self, Display, Formatter};
use std::fs::{self, File};
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use crate::program::{Folder, field, photo, program, varint};

/// Memory that every run has, in MiB.
const MEMORY: &str = "768";
/// The largest factor of the time for four times the input: that of n log n is below 5.
const MAX_FACTOR: f64 = 7.0;
/// Seconds that do not grow: the start, the model.
const START: f64 = 0.5;
/// MiB that do not grow: the program, without the embedded network.
const START_MIB: f64 = 16.0;

/// What a run took.
#[derive(Clone, Copy)]
struct Cost {
    /// Seconds that it computed, on all threads.
    seconds: f64,
    /// The peak of its memory.
    mib: f64,
}

impl Cost {
    const INFINITE: Self = Self { seconds: f64::INFINITY, mib: f64::INFINITY };

    fn min(self, other: Self) -> Self {
        Self { seconds: self.seconds.min(other.seconds), mib: self.mib.min(other.mib) }
    }

    /// Returns whether `four`, of four times the input, is within the bounds.
    fn allows(self, four: Self) -> bool {
        let growing = (self.mib - START_MIB).max(0.0);
        four.seconds < MAX_FACTOR * self.seconds + START
            && four.mib < MAX_FACTOR * growing + 2.0 * START_MIB
    }
}

impl Display for Cost {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "{:.2} s and {:.0} MiB", self.seconds, self.mib)
    }
}

/// Returns the peak of a process's memory in MiB, while it runs.
fn peak(process: u32) -> Option<f64> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? / 1024.0)
}

/// Runs the program and returns what it took.
fn cost(folder: &Folder, arguments: &[String]) -> Cost {
    let errors = folder.path("errors.txt");
    let mut command = program(arguments);
    command.args(["--memory-limit", MEMORY]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(File::create(&errors).unwrap());
    let mut child = command.spawn().unwrap();
    // The times of a process that has ended are there until it is waited for.
    let stat = format!("/proc/{}/stat", child.id());
    let mut mib = 0.0;
    let ticks = loop {
        mib = peak(child.id()).unwrap_or(mib);
        let line = fs::read_to_string(&stat).unwrap();
        let fields: Vec<&str> = line.rsplit(')').next().unwrap().split_whitespace().collect();
        if fields[0] == "Z" {
            break fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
        }
        sleep(Duration::from_millis(2));
    };
    let code = child.wait().unwrap().code();
    let errors = String::from_utf8_lossy(&fs::read(errors).unwrap()).into_owned();
    assert!(matches!(code, Some(0..=2)), "{arguments:?}: {code:?} {errors}");
    assert!(!errors.contains("more memory is needed"), "{arguments:?}: {errors}");
    /// Ticks of Linux's clock for processes.
    const PER_SECOND: f64 = 100.0;
    Cost { seconds: ticks as f64 / PER_SECOND, mib }
}

/// Checks the growth of time and memory for inputs of `size` and of four times as much. `make`
/// writes an input into a folder and returns the arguments. Times are the least of up to three
/// runs: what else the machine does adds to a run's time, and never takes from it.
fn grows_with_the_input(what: &str, size: usize, make: impl Fn(&Folder, usize) -> Vec<String>) {
    const RUNS: usize = 3;
    let [mut small, mut large] = [Cost::INFINITE; 2];
    for _ in 0..RUNS {
        // Each in a folder of its own: a second run may find what the first left.
        let [one, four] = [size, 4 * size].map(|size| {
            let folder = Folder::new();
            let arguments = make(&folder, size);
            cost(&folder, &arguments)
        });
        (small, large) = (small.min(one), large.min(four));
        if small.allows(large) {
            println!("{what}: {small} for {size}, {large} for {}", 4 * size);
            return;
        }
    }
    panic!("{what}: {small}, then {large}");
}

fn words(arguments: &[&str]) -> Vec<String> {
    arguments.iter().map(|&argument| argument.to_owned()).collect()
}

/// A node of a GraphDef whose numbers are floats.
fn node(name: &str, op: &str, inputs: &[String]) -> Vec<u8> {
    let float = |name: &str| {
        let value = [varint(6 << 3), varint(1)].concat();
        field(5, &[field(1, name.as_bytes()), field(2, &value)].concat())
    };
    let inputs: Vec<u8> = inputs.iter().flat_map(|input| field(3, input.as_bytes())).collect();
    let mut attributes = [float("T"), float("dtype")].concat();
    if op == "AddN" {
        let count = [varint(3 << 3), varint(inputs.len() as u64)].concat();
        attributes.extend(field(5, &[field(1, b"N"), field(2, &count)].concat()));
    }
    if op == "Placeholder" {
        let dims = [1, 8, 8, 3].map(|n| field(2, &[varint(1 << 3), varint(n)].concat()));
        attributes
            .extend(field(5, &[field(1, b"shape"), field(2, &field(7, &dims.concat()))].concat()));
    }
    let node = [field(1, name.as_bytes()), field(2, op.as_bytes()), inputs, attributes].concat();
    field(1, &node)
}

/// A constant of this many zeros, of which the file has one.
fn zeros(name: &str, count: usize) -> Vec<u8> {
    const INT32: u64 = 3;
    let number = |key: u32, value: u64| [varint(u64::from(key << 3)), varint(value)].concat();
    let dimension = field(2, &number(1, count as u64));
    let tensor = [number(1, INT32), field(2, &dimension), field(7, &varint(0))].concat();
    let attributes = [("dtype", number(6, INT32)), ("value", field(8, &tensor))];
    let attributes: Vec<u8> = attributes
        .iter()
        .flat_map(|(name, value)| field(5, &[field(1, name.as_bytes()), field(2, value)].concat()))
        .collect();
    field(1, &[field(1, name.as_bytes()), field(2, b"Const"), attributes].concat())
}

/// Writes a graph and returns the arguments that explain it.
fn graph(folder: &Folder, nodes: &[Vec<u8>]) -> Vec<String> {
    fs::write(folder.path("graph.pb"), nodes.concat()).unwrap();
    words(&["explain", &folder.text("graph.pb")])
}

fn placeholder() -> Vec<u8> {
    node("x", "Placeholder", &[])
}

#[test]
fn graphs() {
    grows_with_the_input("a chain of nodes that do nothing", 10_000, |folder, size| {
        let mut nodes = vec![placeholder()];
        let mut last = "x".to_owned();
        for number in 0..size {
            let name = format!("i{number}");
            nodes.push(node(&name, "Identity", &[last]));
            last = name;
        }
        nodes.push(node("end", "Relu", &[last]));
        graph(folder, &nodes)
    });
    grows_with_the_input("nodes that nothing reads", 10_000, |folder, size| {
        let ends = (0..size).map(|number| node(&format!("end{number}"), "Relu", &["x".into()]));
        graph(folder, &[placeholder()].into_iter().chain(ends).collect::<Vec<_>>())
    });
    grows_with_the_input("a sum of many nodes", 5000, |folder, size| {
        let terms = (0..size).map(|number| format!("t{number}"));
        let terms: Vec<String> = terms.collect();
        let mut nodes = vec![placeholder()];
        nodes.extend(terms.iter().map(|term| node(term, "Tanh", &["x".into()])));
        nodes.push(node("end", "AddN", &terms));
        graph(folder, &nodes)
    });
    // Every node needs the first number alone.
    grows_with_the_input("nodes with an axis of many numbers", 500, |folder, size| {
        let mut nodes = vec![placeholder(), zeros("axis", 1000 * size)];
        let name = |number| format!("e{number}");
        let expand = |n| node(&name(n), "ExpandDims", &["x".into(), "axis".into()]);
        nodes.extend((0..size).map(expand));
        // One output, for which all are needed.
        nodes.push(node("sum", "AddN", &(0..size).map(name).collect::<Vec<_>>()));
        graph(folder, &nodes)
    });
    grows_with_the_input("a chain of activations", 2000, |folder, size| {
        let mut nodes = vec![placeholder()];
        let mut last = "x".to_owned();
        for number in 0..size {
            let name = format!("i{number}");
            nodes.push(node(&name, "Sigmoid", &[last]));
            last = name;
        }
        graph(folder, &nodes)
    });
}

#[test]
fn onnx_models() {
    grows_with_the_input("a chain of ONNX nodes", 10_000, |folder, size| {
        let value = |name: &str| {
            let dims = [1, 3, 8, 8].map(|n| field(1, &[varint(1 << 3), varint(n)].concat()));
            let tensor = [varint(1 << 3), varint(1), field(2, &dims.concat())].concat();
            [field(1, name.as_bytes()), field(2, &field(1, &tensor))].concat()
        };
        let mut graph = Vec::new();
        for number in 0..size {
            let (from, to) = (format!("v{number}"), format!("v{}", number + 1));
            let node = [field(1, from.as_bytes()), field(2, to.as_bytes()), field(4, b"Identity")];
            graph.extend(field(1, &node.concat()));
        }
        graph.extend(field(11, &value("v0")));
        graph.extend(field(12, &value(&format!("v{size}"))));
        let opset = [varint(2 << 3), varint(13)].concat();
        let model = [varint(1 << 3), varint(8), field(7, &graph), field(8, &opset)].concat();
        fs::write(folder.path("model.onnx"), model).unwrap();
        words(&["explain", &folder.text("model.onnx")])
    });
}

#[test]
fn layers_models() {
    /// Numbers of a convolution of one channel.
    const NUMBERS: usize = 2;
    // Weights are looked for by the end of their names.
    grows_with_the_input("layers of a TensorFlow.js model", 4000, |folder, size| {
        let name = |number| format!("conv_{number}");
        let layer = |number| {
            let start = r#""batch_input_shape":[null,8,8,1],"#;
            let (start, name) = (if number == 0 { start } else { "" }, name(number));
            format!(
                r#"{{"class_name":"Conv2D","config":{{{start}"name":"{name}","filters":1,"kernel_size":[1,1]}}}}"#
            )
        };
        let weights = |number| {
            let name = name(number);
            format!(
                r#"{{"name":"{name}/kernel","shape":[1,1,1,1],"dtype":"float32"}},{{"name":"{name}/bias","shape":[1],"dtype":"float32"}}"#
            )
        };
        let list =
            |each: &dyn Fn(usize) -> String| (0..size).map(each).collect::<Vec<_>>().join(",");
        let (layers, weights) = (list(&layer), list(&weights));
        let model = format!(
            r#"{{"modelTopology":{{"keras_version":"2.15.0","model_config":{{"class_name":"Sequential","config":{{"name":"s","layers":[{layers}]}}}}}},"weightsManifest":[{{"paths":["weights.bin"],"weights":[{weights}]}}]}}"#
        );
        fs::write(folder.path("model.json"), model).unwrap();
        fs::write(folder.path("weights.bin"), 1_f32.to_le_bytes().repeat(NUMBERS * size)).unwrap();
        words(&["explain", &folder.text("model.json")])
    });
}

/// A chunk of a PNG, with its checksum.
fn chunk(kind: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut crc = flate2::Crc::new();
    crc.update(kind);
    crc.update(content);
    let length = (content.len() as u32).to_be_bytes();
    [&length[..], kind, content, &crc.sum().to_be_bytes()].concat()
}

/// The coffee photo with segments behind its first marker.
fn jpeg_with(segments: &[u8]) -> Vec<u8> {
    let plain = fs::read(photo("coffee.jpg")).unwrap();
    [&plain[..2], segments, &plain[2..]].concat()
}

#[test]
fn photos() {
    let looked_at = |folder: &Folder, name: &str, content: Vec<u8>| {
        fs::write(folder.path(name), content).unwrap();
        let copy = folder.text("copy.jpg");
        words(&["blur", &folder.text(name), "--class", "cup", "--out", &copy])
    };
    let png_with = |chunks: &[u8]| {
        let header = [0, 0, 0, 8, 0, 0, 0, 8, 8, 2, 0, 0, 0];
        let mut pixels = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut pixels, &[0; 8 * 25]).unwrap();
        let png = [
            b"\x89PNG\r\n\x1a\n".to_vec(),
            chunk(b"IHDR", &header),
            chunks.to_vec(),
            chunk(b"IDAT", &pixels.finish().unwrap()),
            chunk(b"IEND", b""),
        ];
        png.concat()
    };
    grows_with_the_input("chunks of a PNG", 20_000, |folder, size| {
        let chunks = chunk(b"tEXt", b"a\0b").repeat(size);
        looked_at(folder, "photo.png", png_with(&chunks))
    });
    // A chunk of a PNG holds more than a segment of a JPEG.
    grows_with_the_input("a directory of EXIF that leads to itself", 8000, |folder, size| {
        let entry = [0x0f, 0x01, 2, 0, 4, 0, 0, 0, b'a', b'b', b'c', 0];
        let (start, count) = (b"II*\0\x08\0\0\0", (size as u16).to_le_bytes());
        let exif = [&start[..], &count, &entry.repeat(size), &[8, 0, 0, 0]].concat();
        looked_at(folder, "photo.png", png_with(&chunk(b"eXIf", &exif)))
    });
    grows_with_the_input("starts and ends of JPEGs in EXIF", 20_000, |folder, size| {
        let jpegs = b"\xff\xd8\xff\xff\xd9".repeat(size);
        let exif = [&b"II*\0\x08\0\0\0\0\0\0\0\0\0"[..], &jpegs].concat();
        looked_at(folder, "photo.png", png_with(&chunk(b"eXIf", &exif)))
    });
    grows_with_the_input("segments of a JPEG", 50_000, |folder, size| {
        looked_at(folder, "photo.jpg", jpeg_with(&b"\xff\xfe\0\x04ab".repeat(size)))
    });
    grows_with_the_input("EXIF segments of a JPEG", 50_000, |folder, size| {
        let exif = b"\xff\xe1\0\x16Exif\0\0II*\0\x08\0\0\0\0\0\0\0\0\0";
        looked_at(folder, "photo.jpg", jpeg_with(&exif[..24].repeat(size)))
    });
    grows_with_the_input("entries of EXIF", 1200, |folder, size| {
        let entry = [0x0f, 0x01, 2, 0, 4, 0, 0, 0, b'a', b'b', b'c', 0];
        let count = (size as u16).to_le_bytes();
        let exif = [b"Exif\0\0II*\0\x08\0\0\0", &count[..], &entry.repeat(size), &[0; 4]].concat();
        let length = (exif.len() as u16 + 2).to_be_bytes();
        looked_at(folder, "photo.jpg", jpeg_with(&[b"\xff\xe1", &length[..], &exif].concat()))
    });
    grows_with_the_input("directories of a TIFF", 20_000, |folder, size| {
        let mut tiff = b"II*\0\x08\0\0\0".to_vec();
        for _ in 0..size {
            let next = (tiff.len() as u32 + 18).to_le_bytes();
            tiff.extend([1, 0, 0, 1, 3, 0, 1, 0, 0, 0, 8, 0, 0, 0]);
            tiff.extend(next);
        }
        looked_at(folder, "photo.tif", tiff)
    });
}

/// Files that are no photos, in a folder of their own for each hundred.
fn broken(folder: &Folder, place: &str, size: usize, name: impl Fn(usize) -> String) {
    for number in 0..size {
        let path = folder.path(&format!("{place}/{}", name(number)));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "no").unwrap();
    }
}

#[test]
fn folders() {
    grows_with_the_input("photos of one name, drawn on", 1000, |folder, size| {
        broken(folder, "in", size, |number| format!("{number}/a.jpg"));
        let (place, out) = (folder.text("in"), folder.text("out"));
        words(&["classify", &place, "--picture", &out, "--quiet"])
    });
    grows_with_the_input("copies of one file, indexed", 1000, |folder, size| {
        broken(folder, "in", size, |number| format!("{}/{number}.jpg", number / 100));
        words(&["index", &folder.text("in"), "--library", &folder.text("l.lgn"), "--quiet"])
    });
    grows_with_the_input("copies of one file in two classes", 1500, |folder, size| {
        broken(folder, "in", size, |number| format!("{}/{number}.jpg", number % 2));
        words(&["train", &folder.text("in"), "--out", &folder.text("model"), "--quiet"])
    });
    grows_with_the_input("classes", 500, |folder, size| {
        broken(folder, "in", size, |number| format!("class{number}/a.jpg"));
        words(&["train", &folder.text("in"), "--out", &folder.text("model"), "--quiet"])
    });
}

#[test]
fn lists_and_archives() {
    grows_with_the_input("files in an archive", 2400, |folder, size| {
        let file = File::create(folder.path("model.tgz")).unwrap();
        let mut archive =
            tar::Builder::new(flate2::write::GzEncoder::new(file, flate2::Compression::fast()));
        for number in 0..size {
            let mut header = tar::Header::new_gnu();
            header.set_size(2);
            header.set_mode(0o644);
            archive.append_data(&mut header, format!("{number}.txt"), &b"no"[..]).unwrap();
        }
        archive.into_inner().unwrap().finish().unwrap();
        words(&["models", "show", &folder.text("model.tgz")])
    });
    grows_with_the_input("lines of a label file", 50_000, |folder, size| {
        let lines: String = (0..size).map(|number| format!("class {number}\n")).collect();
        fs::write(folder.path("labels.txt"), lines).unwrap();
        words(&["classify", &photo("coffee.jpg"), "--labels", &folder.text("labels.txt")])
    });
    grows_with_the_input("lines of a list of photos", 20_000, |folder, size| {
        fs::write(folder.path("list"), "gone.jpg\n".repeat(size)).unwrap();
        words(&["classify", "--files-from", &folder.text("list"), "--quiet"])
    });
    grows_with_the_input("words of a query", 100, |folder, size| {
        let library = folder.text("l.lgn");
        broken(folder, "in", 1, |_| "a.jpg".into());
        let indexed = program(&["index", &folder.text("in"), "--library", &library]).output();
        indexed.unwrap();
        let query = vec!["cat"; size].join(" or ");
        words(&["search", &query, "--library", &library])
    });
    grows_with_the_input("bottleneck files", 1000, |folder, size| {
        broken(folder, "photos/cat", size, |number| format!("{number}.jpg"));
        let place = folder.path("bottlenecks/cat");
        fs::create_dir_all(&place).unwrap();
        for number in 0..size {
            fs::write(place.join(format!("{number}.jpg_module.txt")), "0.5,0.5").unwrap();
        }
        let [from, photos, to] =
            ["bottlenecks", "photos", "features"].map(|name| folder.text(name));
        words(&["features", "import", &from, &photos, "--cache", &to])
    });
}
