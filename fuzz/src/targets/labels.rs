//! Label files, as `--labels` reads them.

use std::path::{Path, PathBuf};

use lorgnette::Labels;

use super::{Input, Target, must_name};
use crate::mutate::scramble;
use crate::random::Random;

/// The file's name.
const NAME: &str = "damaged labels.txt";
/// The name of a label map.
const MAP: &str = "damaged map.pbtxt";

/// One list in each format.
const LISTS: [&str; 7] = [
    "tench, Tinca tinca\ngoldfish\ngreat white shark\nhammerhead\n",
    "n01440764 tench, Tinca tinca\nn01443537\nn01484850,great white shark\n",
    "0:background\n2:b\n1:a\n3:c",
    "0 null\r\n1 eins\r\n2 zwei\r\n",
    "\u{feff}perro\ngötter\n猫\nİstanbul\n",
    "\n",
    "# a map\nentry {\n  target_class: 2\n  target_class_string: \"n01440764\"\n}\n\
     item: { id: 1, name: 'a\\'b' }\n",
];

/// The target of label files.
pub(super) struct LabelFiles {
    path: PathBuf,
    map: PathBuf,
}

impl LabelFiles {
    /// Label files are opened by path; they are written to `scratch`.
    pub(super) fn new(scratch: &Path) -> Self {
        Self { path: scratch.join(NAME), map: scratch.join(MAP) }
    }
}

impl Target for LabelFiles {
    fn input(&self, random: &mut Random) -> Input {
        let (origin, other) = (random.below(LISTS.len()), random.pick(&LISTS).as_bytes());
        let mut bytes = LISTS[origin].repeat(1 + random.below(20)).into_bytes();
        for _ in 0..random.below(6) {
            scramble(random, &mut bytes, other);
        }
        Input { bytes, origin }
    }

    fn run(&self, input: &Input, random: &mut Random) -> Result<&'static str, String> {
        std::fs::write(&self.path, &input.bytes).map_err(|error| error.to_string())?;
        let labels = match Labels::open(&self.path) {
            Ok(labels) => labels,
            Err(error) => return must_name(NAME, &error).map(|()| "refused"),
        };
        let Some(label) = labels.get(random.below(labels.len())) else {
            return Err("a list of no names".into());
        };
        if !labels
            .find(label.name)
            .is_ok_and(|found| found.iter().any(|other| other.name == label.name))
        {
            return Err(format!("{:?} is not found by its name", label.name));
        }
        let _ = std::fs::rename(&self.path, &self.map);
        if let Err(error) = Labels::open_for(&self.map, labels.len()) {
            must_name(MAP, &error)?;
        }
        let query =
            String::from_utf8_lossy(&input.bytes[..input.bytes.len().min(random.below(40))])
                .into_owned();
        if let Err(error) = labels.find(&query) {
            must_name(&format!("{query:?}"), &error)?;
        }
        Ok("read")
    }

    /// A line of two bytes is an entry of 48 bytes and a place in a list; a label map is read
    /// together with ImageNet's names.
    fn bound(&self, length: usize) -> usize {
        (512 << 10) + 128 * length
    }

    fn share(&self) -> f64 {
        0.05
    }
}
