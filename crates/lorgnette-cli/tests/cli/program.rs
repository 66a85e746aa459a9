//! Running the program, and the photos to run it on.

use std::ffi::OsStr;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// How a run ended.
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// The JSON Lines on standard output.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// This run, which must have gone well.
    pub(crate) fn well(self) -> Self {
        assert_eq!(self.code, Some(0), "{}", self.err);
        self
    }
}

/// The program, not yet run, without the user's own settings.
pub(crate) fn program<S: AsRef<OsStr>>(arguments: &[S]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lorgnette"));
    command
        .args(arguments)
        .env_remove("LORGNETTE_MODEL")
        .env_remove("LORGNETTE_LEVEL")
        .env_remove("LORGNETTE_LIBRARY")
        .env_remove("LORGNETTE_MIRROR")
        .env_remove("COLUMNS")
        .env("LORGNETTE_HOME", home());
    command
}

/// A model home for all tests of this run: the user's own may have models, a library and features.
fn home() -> &'static Path {
    static HOME: OnceLock<PathBuf> = OnceLock::new();
    HOME.get_or_init(|| {
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("home");
        let _ = fs::remove_dir_all(&home);
        fs::create_dir_all(&home).unwrap();
        home
    })
}

/// Runs the program to its end.
pub(crate) fn lorgnette<S: AsRef<OsStr>>(arguments: &[S]) -> Ended {
    end(program(arguments).stdin(Stdio::null()))
}

/// Runs the program with something on its standard input.
pub(crate) fn lorgnette_reading<S: AsRef<OsStr>>(arguments: &[S], input: &[u8]) -> Ended {
    let mut command = program(arguments);
    let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = piped.spawn().unwrap();
    // A program that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input);
    ended(child.wait_with_output().unwrap())
}

/// Runs a command to its end.
pub(crate) fn end(command: &mut Command) -> Ended {
    ended(command.output().unwrap())
}

fn ended(output: std::process::Output) -> Ended {
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ended { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
}

/// A field of a protocol buffer with this content.
pub(crate) fn field(number: u32, content: &[u8]) -> Vec<u8> {
    let (key, length) = (varint(u64::from(number << 3 | 2)), varint(content.len() as u64));
    [&key, &length, content].concat()
}

/// A number of variable length, as in protocol buffers.
pub(crate) fn varint(mut value: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// A photo of the repository.
pub(crate) fn photo(name: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../photos")
        .join(name)
        .to_str()
        .unwrap()
        .to_owned()
}

/// A temporary folder of files with this content.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    /// The path of a file in it.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// The same as text.
    pub(crate) fn text(&self, name: &str) -> String {
        self.path(name).to_str().unwrap().to_owned()
    }

    /// Writes a file, with the folders it is in.
    pub(crate) fn with(self, name: &str, content: &[u8]) -> Self {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
        self
    }

    /// Copies a photo of the repository.
    pub(crate) fn with_photo(self, name: &str, photo_name: &str) -> Self {
        let content = std::fs::read(photo(photo_name)).unwrap();
        self.with(name, &content)
    }
}
