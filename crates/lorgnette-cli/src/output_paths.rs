//! Where the files of a run go that `--picture`, `--npy` and the like ask for.
//!
//! For one photo they name a file, for several a folder, which gets the photos' own folders. Every
//! place is settled before the first photo is opened, so that it depends neither on threads nor on
//! which photos fail; and no place is another's or a photo's own.

use std::collections::HashSet;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::{fmt, fs};

use anyhow::{Context as _, Result, bail, ensure};

use crate::photos::Photo;

/// What can be written, by the ending of the file; the first is written into folders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Extensions(&'static [&'static str]);

/// Pictures: PNG loses nothing.
pub(crate) const PICTURES: Extensions = Extensions(&["png", "jpg", "jpeg", "jpe"]);
/// Drawings, which can be vectors too.
pub(crate) const FIGURES: Extensions = Extensions(&["png", "jpg", "jpeg", "jpe", "svg"]);
/// NumPy's arrays.
pub(crate) const ARRAYS: Extensions = Extensions(&["npy"]);

/// One file for all photos.
pub(crate) const JSON: Extensions = Extensions(&["json"]);

/// What a picture of the photo from standard input is called.
const STANDARD_INPUT_STEM: &str = "stdin";

/// Gives out places, each once.
#[derive(Debug)]
pub(crate) struct OutputPaths<'a> {
    photos: &'a [Photo],
    /// Places given out, and the photos themselves. In small letters, for that is all that some
    /// file systems see.
    taken: HashSet<OsString>,
}

impl<'a> OutputPaths<'a> {
    /// Room for pictures of these photos.
    pub(crate) fn new(photos: &'a [Photo]) -> Self {
        let paths = photos.iter().filter_map(Photo::path);
        Self { photos, taken: paths.map(|path| key(&absolute(path))).collect() }
    }

    /// A place for a picture of each photo in `out`: the file itself, or files in that folder,
    /// which is made if need be, with the folders of the photos. `option` is what messages call it.
    ///
    /// # Errors
    /// If `out` does not suit, or the folder cannot be made.
    pub(crate) fn paths(
        &mut self,
        out: &Path,
        option: &str,
        extensions: Extensions,
    ) -> Result<Vec<PathBuf>> {
        self.try_paths(out, |_| extensions.0[0].into())
            .with_context(|| format!("{option} {}", out.display()))
    }

    /// The same, if `out` is given.
    pub(crate) fn paths_for(
        &mut self,
        out: &Option<PathBuf>,
        option: &str,
        extensions: Extensions,
    ) -> Result<Option<Vec<PathBuf>>> {
        out.as_deref().map(|out| self.paths(out, option, extensions)).transpose()
    }

    /// A place for a changed copy of each photo in `out`: the file itself, or files in that folder
    /// with the photos' own endings, or the first of [`PICTURES`] where that cannot be written.
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

    /// A place in a folder, named after the photo and numbered if that is taken.
    fn path_in(&mut self, folder: &Path, photo: &Photo, extension: &OsStr) -> PathBuf {
        let stem = photo.path().map_or(Some(STANDARD_INPUT_STEM.as_ref()), Path::file_stem);
        let stem = stem.unwrap_or("photo".as_ref());
        let path = |number: usize| {
            let mut name = stem.to_owned();
            if number > 1 {
                name.push(format!("-{number}"));
            }
            name.push(".");
            name.push(extension);
            folder.join(name)
        };
        let paths = (1..).map(path);
        paths.into_iter().find(|path| self.take(path)).expect("there is no end of numbers")
    }

    /// Whether the place was free.
    fn take(&mut self, path: &Path) -> bool {
        self.taken.insert(key(&absolute(path)))
    }
}

/// Refuses what can only fail once the photos are known, before anything has been opened.
///
/// # Errors
/// If the file's ending is none that can be written, or its folder is not there.
pub(crate) fn check(out: Option<&Path>, option: &str, extensions: Extensions) -> Result<()> {
    let Some(out) = out.filter(|out| !is_folder(out)) else { return Ok(()) };
    if !extensions.has(out) {
        bail!("{option} {}: end the name in {extensions}, or name a folder", out.display());
    }
    check_folder(out, option)
}

/// The same for what is one file, whatever the number of photos.
///
/// # Errors
/// As [`check`]; a folder is refused too.
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
    /// Whether a file's name has one of them.
    pub(crate) fn has(self, out: &Path) -> bool {
        let extension = out.extension().and_then(|extension| extension.to_str());
        extension.is_some_and(|extension| {
            self.0.iter().any(|known| known.eq_ignore_ascii_case(extension))
        })
    }
}

impl fmt::Display for Extensions {
    /// Those that people use: `.png or .jpg`.
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

/// Whether a folder is meant: there is one, or the name ends as one, or it has no ending.
fn is_folder(out: &Path) -> bool {
    let ends_as_folder = out
        .as_os_str()
        .as_encoded_bytes()
        .last()
        .is_some_and(|&last| std::path::is_separator(last.into()));
    ends_as_folder || out.is_dir() || (out.extension().is_none() && !out.exists())
}

/// The path without links and detours, as far as it exists.
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
