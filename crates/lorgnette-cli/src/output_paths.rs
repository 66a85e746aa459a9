//! Paths of the output files of `--picture`, `--npy` and similar options.
//!
//! For one photo an option names a file, for several a folder, which gets the photos' relative
//! folders. All paths are determined before the first photo is opened, so they depend neither on
//! threads nor on failures. No path is used twice, and none is a photo's own.

use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use anyhow::{Context as _, Result, bail, ensure};

use crate::photos::Photo;

/// The supported extensions of an output; the first is the default in folders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extensions(&'static [&'static str]);

/// Pictures; PNG is lossless.
pub(crate) const PICTURES: Extensions = Extensions(&["png", "jpg", "jpeg", "jpe"]);
/// Drawings, including vector graphics.
pub(crate) const FIGURES: Extensions = Extensions(&["png", "jpg", "jpeg", "jpe", "svg"]);
/// NumPy arrays.
pub(crate) const ARRAYS: Extensions = Extensions(&["npy"]);

/// One file for all photos.
pub(crate) const JSON: Extensions = Extensions(&["json"]);

/// The file stem for the photo from standard input.
const STANDARD_INPUT_STEM: &str = "stdin";

/// Assigns paths, each once.
#[derive(Debug)]
pub(crate) struct OutputPaths<'a> {
    photos: &'a [Photo],
    /// Assigned paths and the photos themselves, in lower case for case-insensitive file systems.
    taken: HashSet<OsString>,
    /// The files of the photos, which may have other names too.
    photo_files: HashSet<FileId>,
    /// The last number of each name in a folder.
    numbers: HashMap<PathBuf, usize>,
}

impl<'a> OutputPaths<'a> {
    /// Creates the assignment for these photos.
    pub(crate) fn new(photos: &'a [Photo]) -> Self {
        let paths = || photos.iter().filter_map(Photo::path);
        Self {
            photos,
            taken: paths().map(|path| key(&absolute(path))).collect(),
            photo_files: paths().filter_map(FileId::new).collect(),
            numbers: HashMap::new(),
        }
    }

    /// Assigns a path that is one file for all photos.
    ///
    /// # Errors
    /// If it is a photo, under whatever name, or assigned already.
    pub(crate) fn one_file(&mut self, out: &Path, option: &str) -> Result<()> {
        ensure!(
            self.take(out),
            "{option} {}: this would overwrite a photo, or another output",
            out.display()
        );
        Ok(())
    }

    /// Assigns a path for a picture of each photo: `out` itself, or files in the folder `out`,
    /// which is created, with the photos' relative folders. `option` is for messages.
    ///
    /// # Errors
    /// If `out` is unsuitable, or the folder cannot be created.
    pub(crate) fn paths(
        &mut self,
        out: &Path,
        option: &str,
        extensions: Extensions,
    ) -> Result<Vec<PathBuf>> {
        self.try_paths(out, |_| extensions.0[0].into())
            .with_context(|| format!("{option} {}", out.display()))
    }

    /// As [`OutputPaths::paths`], if `out` is given.
    pub(crate) fn paths_for(
        &mut self,
        out: &Option<PathBuf>,
        option: &str,
        extensions: Extensions,
    ) -> Result<Option<Vec<PathBuf>>> {
        out.as_deref().map(|out| self.paths(out, option, extensions)).transpose()
    }

    /// As [`OutputPaths::copies`], if `out` is given.
    pub(crate) fn copies_for(
        &mut self,
        out: &Option<PathBuf>,
        option: &str,
    ) -> Result<Option<Vec<PathBuf>>> {
        out.as_deref().map(|out| self.copies(out, option)).transpose()
    }

    /// Assigns a path for a changed copy of each photo: `out` itself, or files in the folder `out`
    /// with the photos' extensions, or the first of [`PICTURES`] where that cannot be written.
    ///
    /// # Errors
    /// As [`OutputPaths::paths`].
    pub(crate) fn copies(&mut self, out: &Path, option: &str) -> Result<Vec<PathBuf>> {
        let own = |photo: &Photo| {
            let path = photo.path().filter(|path| PICTURES.has(path));
            path.and_then(Path::extension).map(OsStr::to_owned)
        };
        let paths = self.try_paths(out, |photo| own(photo).unwrap_or_else(|| PICTURES.0[0].into()));
        paths.with_context(|| format!("{option} {}", out.display()))
    }

    fn try_paths(
        &mut self,
        out: &Path,
        extension: impl Fn(&Photo) -> OsString,
    ) -> Result<Vec<PathBuf>> {
        if !is_folder(out) {
            ensure!(
                self.photos.len() == 1,
                "there are {} photos: name a folder",
                self.photos.len()
            );
            ensure!(self.take(out), "this would overwrite the photo, or another picture of it");
            return Ok(vec![out.to_owned()]);
        }
        fs::create_dir_all(out).context("the folder cannot be made")?;
        let photos = self.photos;
        let path = |photo: &Photo| {
            let folder = out.join(photo.relative_dir());
            fs::create_dir_all(&folder)
                .with_context(|| format!("{}: cannot be made", folder.display()))?;
            Ok(self.path_in(&folder, photo, &extension(photo)))
        };
        photos.iter().map(path).collect()
    }

    /// A path in a folder, named after the photo, and numbered if it is taken.
    fn path_in(&mut self, folder: &Path, photo: &Photo, extension: &OsStr) -> PathBuf {
        let stem = photo.path().map_or(Some(STANDARD_INPUT_STEM.as_ref()), Path::file_stem);
        let stem = stem.unwrap_or("photo".as_ref());
        let mut whole_name = stem.to_owned();
        whole_name.push(".");
        whole_name.push(extension);
        let whole_name = folder.join(whole_name);
        let mut number = self.numbers.get(&whole_name).map_or(1, |last| last + 1);
        loop {
            let path = match number {
                1 => whole_name.clone(),
                _ => {
                    let mut name = stem.to_owned();
                    name.push(format!("-{number}."));
                    name.push(extension);
                    folder.join(name)
                }
            };
            if self.take(&path) {
                self.numbers.insert(whole_name, number);
                return path;
            }
            number += 1;
        }
    }

    /// Marks a path as taken; returns true if it was free.
    fn take(&mut self, path: &Path) -> bool {
        let is_photo = FileId::new(path).is_some_and(|file| self.photo_files.contains(&file));
        !is_photo && self.taken.insert(key(&absolute(path)))
    }
}

/// Identifies a file under all of its names. Written through one, it changes under all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct FileId {
    device: u64,
    number: u64,
}

impl FileId {
    #[cfg(unix)]
    fn new(path: &Path) -> Option<Self> {
        use std::os::unix::fs::MetadataExt as _;
        let metadata = path.metadata().ok()?;
        Some(Self { device: metadata.dev(), number: metadata.ino() })
    }

    /// Other systems tell no numbers through the standard library.
    #[cfg(not(unix))]
    fn new(_path: &Path) -> Option<Self> {
        None
    }
}

/// Rejects unsuitable output paths before anything is opened.
///
/// # Errors
/// If the file's extension is not supported, or its folder does not exist.
pub(crate) fn check(out: Option<&Path>, option: &str, extensions: Extensions) -> Result<()> {
    let Some(out) = out.filter(|out| !is_folder(out)) else { return Ok(()) };
    if !extensions.has(out) {
        bail!("{option} {}: end the name in {extensions}, or name a folder", out.display());
    }
    check_folder(out, option)
}

/// The same for an output that is one file for all photos.
///
/// # Errors
/// As [`check`]; a folder is also an error.
pub(crate) fn check_file(out: Option<&Path>, option: &str, extensions: Extensions) -> Result<()> {
    let Some(out) = out else { return Ok(()) };
    if out.is_dir() || !extensions.has(out) {
        bail!("{option} {}: end the name in {extensions}", out.display());
    }
    check_folder(out, option)
}

fn check_folder(out: &Path, option: &str) -> Result<()> {
    match out.parent().filter(|folder| !folder.as_os_str().is_empty() && !folder.is_dir()) {
        Some(folder) => {
            bail!("{option} {}: there is no folder {}", out.display(), folder.display())
        }
        None => Ok(()),
    }
}

impl Extensions {
    /// True if the file's extension is one of these.
    pub(crate) fn has(self, out: &Path) -> bool {
        let extension = out.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| {
            self.0.iter().any(|known| known.eq_ignore_ascii_case(extension))
        })
    }
}

impl fmt::Display for Extensions {
    /// The common ones: `.png or .jpg`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let common = self.0.iter().filter(|extension| !matches!(**extension, "jpeg" | "jpe"));
        let common: Vec<String> = common.map(|extension| format!(".{extension}")).collect();
        match common.split_last() {
            Some((last, others)) if !others.is_empty() => {
                write!(f, "{} or {last}", others.join(", "))
            }
            _ => f.write_str(&common.concat()),
        }
    }
}

/// True if `out` is a folder: it exists, or its name ends with a separator, or it has no extension.
/// The end of `x0.5` is none: extensions begin with a letter.
fn is_folder(out: &Path) -> bool {
    let extension = out.extension().map_or(&[][..], OsStr::as_encoded_bytes);
    let has_extension = extension.first().is_some_and(u8::is_ascii_alphabetic);
    let ends_as_folder = out
        .as_os_str()
        .as_encoded_bytes()
        .last()
        .is_some_and(|&last| std::path::is_separator(last.into()));
    ends_as_folder || out.is_dir() || (!has_extension && !out.exists())
}

/// The canonical path, as far as it exists.
fn absolute(path: &Path) -> PathBuf {
    if let Ok(path) = path.canonicalize() {
        return path;
    }
    let parent =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let parent = parent.canonicalize().unwrap_or_else(|_| parent.to_owned());
    path.file_name().map_or(parent.clone(), |name| parent.join(name))
}

fn key(path: &Path) -> OsString {
    path.as_os_str().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photos;

    /// A folder with as many photos of one name, each in a folder of its own.
    fn photos_of_one_name(count: usize) -> (tempfile::TempDir, Vec<Photo>) {
        let folder = tempfile::tempdir().unwrap();
        let paths = (0..count).map(|number| {
            let place = folder.path().join(number.to_string());
            fs::create_dir(&place).unwrap();
            fs::write(place.join("a.jpg"), "").unwrap();
            place.join("a.jpg")
        });
        let photos = paths.map(photos::tests::photo).collect();
        (folder, photos)
    }

    #[test]
    fn photos_of_one_name_are_numbered() {
        let (folder, photos) = photos_of_one_name(3);
        let out = folder.path().join("out");
        let mut output_paths = OutputPaths::new(&photos);
        let paths = output_paths.paths(&out, "--out", PICTURES).unwrap();
        assert_eq!(paths, ["a.png", "a-2.png", "a-3.png"].map(|name| out.join(name)));
        // A name is not looked for from the first number again.
        assert_eq!(output_paths.numbers[&out.join("a.png")], 3);
    }

    #[cfg(unix)]
    #[test]
    fn a_photo_is_not_written_over_under_another_name() {
        let (folder, photos) = photos_of_one_name(1);
        let photo = photos[0].path().unwrap();
        let (hard, soft) = (folder.path().join("hard.jpg"), folder.path().join("soft.jpg"));
        fs::hard_link(photo, &hard).unwrap();
        std::os::unix::fs::symlink(photo, &soft).unwrap();
        for other in [photo, &hard, &soft] {
            let mut output_paths = OutputPaths::new(&photos);
            assert!(output_paths.one_file(other, "--npy").is_err(), "{}", other.display());
            assert!(output_paths.paths(other, "--picture", PICTURES).is_err());
        }
        let free = folder.path().join("free.npy");
        OutputPaths::new(&photos).one_file(&free, "--npy").unwrap();
    }
}
