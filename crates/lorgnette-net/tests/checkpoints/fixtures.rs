//! The checkpoints of `checkpoints.tar.gz`, unpacked once a run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use lorgnette_net::{Tensor, npy};

/// A checkpoint: the path to open, and the expected content.
#[derive(serde::Deserialize)]
pub(crate) struct Case {
    pub(crate) name: String,
    pub(crate) open: String,
    pub(crate) version: u32,
    pub(crate) variables: BTreeMap<String, Variable>,
}

#[derive(serde::Deserialize)]
pub(crate) struct Variable {
    #[serde(rename = "type")]
    pub(crate) kind: String,
    pub(crate) shape: Vec<usize>,
    pub(crate) values: Option<String>,
}

pub(crate) struct Fixtures {
    folder: PathBuf,
    pub(crate) cases: Vec<Case>,
}

/// Returns the fixtures; the first call unpacks them.
pub(crate) fn fixtures() -> &'static Fixtures {
    static FIXTURES: OnceLock<Fixtures> = OnceLock::new();
    FIXTURES.get_or_init(|| {
        let folder = empty_folder("fixtures");
        let packed = include_bytes!("checkpoints.tar.gz").as_slice();
        tar::Archive::new(flate2::read::GzDecoder::new(packed)).unpack(&folder).unwrap();
        let cases =
            serde_json::from_slice(&std::fs::read(folder.join("manifest.json")).unwrap()).unwrap();
        Fixtures { folder, cases }
    })
}

impl Fixtures {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub(crate) fn case(&self, name: &str) -> &Case {
        self.cases.iter().find(|case| case.name == name).unwrap()
    }

    pub(crate) fn open_path(&self, name: &str) -> PathBuf {
        self.path(&self.case(name).open)
    }

    pub(crate) fn values(&self, file: &str) -> Tensor {
        npy::read(&std::fs::read(self.path(file)).unwrap()).unwrap()
    }

    /// Copies the files of a checkpoint to a new folder, to change them.
    pub(crate) fn copy(&self, name: &str) -> PathBuf {
        let folder = empty_folder(name);
        copy_files(&self.path(name), &folder);
        folder
    }
}

/// Copies the files of a folder to another.
pub(crate) fn copy_files(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in from.read_dir().unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
    }
}

/// Replaces a file. Some file systems wait for the disk when a file is truncated and written again,
/// which takes a hundred times longer.
pub(crate) fn write_anew(path: &Path, bytes: &[u8]) {
    let _ = std::fs::remove_file(path);
    std::fs::write(path, bytes).unwrap();
}

/// Creates a folder for one test's files in the build's folder.
pub(crate) fn empty_folder(label: &str) -> PathBuf {
    static FOLDERS: AtomicUsize = AtomicUsize::new(0);
    let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
    let folder =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("checkpoints/{number}-{label}"));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}
