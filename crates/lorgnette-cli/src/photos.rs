//! Finds the photos that the user names: files, folders, patterns, lists, standard input.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};
use glob::MatchOptions;
use lorgnette::Picture;
use lorgnette::photos::{
    EntryKind, PassedOver, Walk, WalkOptions, existing_path, path_bytes, path_text,
};
use lorgnette::picture::{OpenOptions, PictureError};

use crate::arguments::PhotoArguments;
use crate::messages::Messages;
use crate::pattern::{self, Match};

/// The path that stands for standard input.
const STANDARD_INPUT: &str = "-";
/// Its name in messages.
const STANDARD_INPUT_NAME: &str = "standard input";
/// Paths of descriptors that the shell opened, such as those of `<(command)`.
const DESCRIPTORS: [&str; 3] = ["/dev/stdin", "/dev/fd", "/proc/self/fd"];
/// Patterns match as in a shell.
const GLOB_OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: true,
};

/// A photo named by the user, not yet opened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Photo {
    name: String,
    source: Source,
    /// Folders between the named folder and the photo; empty if the photo itself was named.
    relative_dir: PathBuf,
    /// The named folder it was found in, if any.
    folder: Option<PathBuf>,
    /// The files passed over in that folder, if this is its first photo and there was anything.
    passed_over: Option<PassedOver>,
}

/// Source of a photo.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Source {
    File(PathBuf),
    /// Standard input or another open descriptor, which may be a pipe.
    Stream(PathBuf),
    /// None, for this reason.
    Unavailable {
        path: PathBuf,
        why: String,
    },
}

impl Photo {
    /// Its name in results: its path, or `-`.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The bytes of its name as hexadecimal digits, where the name is no text and `name` is only
    /// nearly right.
    pub(crate) fn name_bytes(&self) -> Option<String> {
        match &self.source {
            Source::File(path) | Source::Stream(path) => path_bytes(path),
            Source::Unavailable { path, .. } => path_bytes(path),
        }
    }

    /// The path of its file, if it has one.
    pub(crate) fn path(&self) -> Option<&Path> {
        match &self.source {
            Source::File(path) => Some(path),
            _ => None,
        }
    }

    /// Folders between the named folder and the photo.
    pub(crate) fn relative_dir(&self) -> &Path {
        &self.relative_dir
    }

    /// Returns the named folder that the photo was found in but does not lie in: a link leads to
    /// it.
    pub(crate) fn folder_left_by_a_link(&self) -> Option<&Path> {
        let folder = self.folder.as_deref()?;
        let place = self.path()?.parent()?.canonicalize().ok()?;
        let is_within = folder.canonicalize().is_ok_and(|folder| place.starts_with(folder));
        (!is_within).then_some(folder)
    }

    /// Returns the files passed over in the named folder whose first photo this is.
    pub(crate) fn passed_over(&self) -> Option<&PassedOver> {
        self.passed_over.as_ref()
    }

    /// Opens the photo.
    pub(crate) fn open(&self, options: &OpenOptions) -> Result<Picture> {
        Ok(self.open_with_file(options)?.0)
    }

    /// Opens the photo and also returns its file's bytes.
    pub(crate) fn open_with_file(&self, options: &OpenOptions) -> Result<(Picture, Vec<u8>)> {
        let bytes = match &self.source {
            Source::File(path) => options.read(path)?,
            Source::Stream(path) => read_stream(path, options)?,
            Source::Unavailable { why, .. } => bail!("{why}"),
        };
        let name = if self.name == STANDARD_INPUT { STANDARD_INPUT_NAME } else { &self.name };
        Ok((options.decode(&bytes, name)?.named(&self.name), bytes))
    }

    fn file(path: PathBuf) -> Self {
        let name = path_text(&path);
        let is_stream = DESCRIPTORS.iter().any(|descriptors| path.starts_with(descriptors));
        let source = if is_stream { Source::Stream(path) } else { Source::File(path) };
        Self { name, source, relative_dir: PathBuf::new(), folder: None, passed_over: None }
    }

    fn in_folder(path: PathBuf, folder: &Path) -> Self {
        let relative_dir =
            path.strip_prefix(folder).ok().and_then(Path::parent).map(Path::to_owned);
        let (relative_dir, folder) = (relative_dir.unwrap_or_default(), Some(folder.to_owned()));
        Self { relative_dir, folder, ..Self::file(path) }
    }

    /// The same photo in a folder of this name among the outputs.
    fn below(self, root: &Path) -> Self {
        Self { relative_dir: root.join(&self.relative_dir), ..self }
    }

    fn standard_input() -> Self {
        Self {
            name: STANDARD_INPUT.into(),
            source: Source::Stream(STANDARD_INPUT.into()),
            relative_dir: PathBuf::new(),
            folder: None,
            passed_over: None,
        }
    }

    fn unavailable(name: &Path, why: &str) -> Self {
        let path = name.to_owned();
        let name = path_text(name);
        let source = Source::Unavailable { path, why: format!("{name}: {why}") };
        Self { name, source, relative_dir: PathBuf::new(), folder: None, passed_over: None }
    }
}

/// All photos, in the order of the arguments; those of a folder sorted by name.
///
/// A path that does not exist or cannot be read is a photo that fails to open, so that it has its
/// place among the results and the others continue. Notes what was passed over in folders.
pub(crate) fn find(arguments: &PhotoArguments, messages: Messages) -> Result<Vec<Photo>> {
    let depth = if arguments.is_recursive() { usize::MAX } else { 1 };
    let options =
        WalkOptions { max_depth: depth, exclude: arguments.exclude(), ..WalkOptions::default() };
    let mut finder = Finder { options, passed_over: PassedOver::default() };
    let photos = finder.find(arguments)?;
    if !finder.passed_over.is_empty() {
        messages.note(&format_args!("passed over: {}", finder.passed_over));
    }
    Ok(photos)
}

/// Finds photos in folders, and counts what else is in them.
struct Finder {
    options: WalkOptions,
    passed_over: PassedOver,
}

impl Finder {
    fn find(&mut self, arguments: &PhotoArguments) -> Result<Vec<Photo>> {
        let is_standard_input = |path: &Path| path == Path::new(STANDARD_INPUT);
        let readers = arguments
            .photos
            .iter()
            .chain(&arguments.files_from)
            .filter(|path| is_standard_input(path))
            .count();
        ensure!(readers <= 1, "standard input (-) can be read only once");
        let mut photos = Vec::new();
        let roots = root_names(&arguments.photos);
        for (path, root) in arguments.photos.iter().zip(roots) {
            if is_standard_input(path) {
                photos.push(Photo::standard_input());
            } else {
                photos.extend(self.expand(path).into_iter().map(|photo| photo.below(&root)));
            }
        }
        if let Some(list) = &arguments.files_from {
            let name = if is_standard_input(list) {
                STANDARD_INPUT_NAME.into()
            } else {
                list.display().to_string()
            };
            let listed = read_list(list).with_context(|| format!("{name}: cannot be read"))?;
            photos.extend(listed.into_iter().flat_map(|path| self.file_or_folder(path)));
            ensure!(!photos.is_empty(), "{name}: lists no photos");
        }
        Ok(photos)
    }

    /// The photos of an argument. If there is no such path, it may be a pattern that the shell did
    /// not expand, or a name with other letters composed.
    fn expand(&mut self, path: &Path) -> Vec<Photo> {
        match pattern::is_pattern(path.as_os_str()) && fs::symlink_metadata(path).is_err() {
            true => self.matches(path),
            false => self.file_or_folder(path.to_owned()),
        }
    }

    fn matches(&mut self, pattern: &Path) -> Vec<Photo> {
        let found = match pattern::expand(pattern, GLOB_OPTIONS) {
            Ok(found) => found,
            Err(error) => {
                let why = format!("no such file, and no pattern: {error}");
                return vec![Photo::unavailable(pattern, &why)];
            }
        };
        let mut photos = Vec::new();
        for found in found {
            match found {
                Match::Path(path) => photos.extend(self.file_or_folder(path)),
                Match::Unreadable(folder, error) => {
                    let why = format!("cannot be read: {error}");
                    photos.push(Photo::unavailable(&folder, &why));
                }
            }
        }
        if photos.is_empty() {
            photos.push(Photo::unavailable(pattern, "no file has a name like this"));
        }
        photos
    }

    fn file_or_folder(&mut self, path: PathBuf) -> Vec<Photo> {
        let path = existing_path(&path).unwrap_or(path);
        if !path.is_dir() {
            return vec![Photo::file(path)];
        }
        let walk = Walk::new(&[&path], &self.options);
        let passed_over = walk.passed_over().clone();
        let mut photos: Vec<Photo> = walk
            .entries
            .into_iter()
            .filter_map(|entry| {
                let why = match &entry.kind {
                    EntryKind::Photo => return Some(Photo::in_folder(entry.path, &path)),
                    // One that is called like a photo.
                    EntryKind::NotAFile => "is a pipe or a device, not a photo's file".to_owned(),
                    _ => format!("cannot be read: {}", entry.error()?),
                };
                Some(Photo::unavailable(&entry.path, &why))
            })
            .collect();
        if photos.is_empty() {
            let why = match passed_over.is_empty() {
                true => "there are no photos in this folder".to_owned(),
                false => format!("there are no photos in this folder, only {passed_over}"),
            };
            photos.push(Photo::unavailable(&path, &why));
        } else {
            self.passed_over.add(&passed_over);
        }
        photos[0].passed_over = Some(passed_over).filter(|passed_over| !passed_over.is_empty());
        photos
    }
}

/// A name for each path among the outputs: empty, but if there are several folders, the folder's
/// own, numbered where two have the same.
fn root_names(paths: &[PathBuf]) -> Vec<PathBuf> {
    if paths.iter().filter(|path| path.is_dir()).count() < 2 {
        return vec![PathBuf::new(); paths.len()];
    }
    let mut taken = HashSet::new();
    let mut root_name = |path: &PathBuf| {
        if !path.is_dir() {
            return PathBuf::new();
        }
        // The current folder and the root have no names of their own.
        let resolved = path.canonicalize().unwrap_or_default();
        let name = resolved.file_name().unwrap_or("photos".as_ref()).to_owned();
        let numbered = |number: usize| {
            let mut numbered = name.clone();
            if number > 1 {
                numbered.push(format!("-{number}"));
            }
            numbered
        };
        let mut names = (1..).map(numbered);
        let is_free = |name: &OsString| taken.insert(name.to_ascii_lowercase());
        names.find(is_free).expect("there is no end of numbers").into()
    };
    paths.iter().map(&mut root_name).collect()
}

/// The paths in a list, one per line.
fn read_list(list: &Path) -> io::Result<Vec<PathBuf>> {
    let mut text = Vec::new();
    if list == Path::new(STANDARD_INPUT) {
        io::stdin().lock().read_to_end(&mut text)?;
    } else {
        text = fs::read(list)?;
    }
    let lines =
        text.split(|&byte| byte == b'\n').map(|line| line.strip_suffix(b"\r").unwrap_or(line));
    Ok(lines.filter(|line| !line.is_empty()).map(path_from_bytes).collect())
}

/// A path from the bytes of a line: file names need not be UTF-8.
#[cfg(unix)]
fn path_from_bytes(line: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(line))
}

#[cfg(not(unix))]
fn path_from_bytes(line: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(line).into_owned())
}

/// Reads at most one byte past the limit, which is enough to reject a photo.
fn read_stream(path: &Path, options: &OpenOptions) -> Result<Vec<u8>, PictureError> {
    let limit = options.max_bytes.saturating_add(1);
    let mut bytes = Vec::new();
    if path == Path::new(STANDARD_INPUT) {
        let read = io::stdin().lock().take(limit).read_to_end(&mut bytes);
        let name = STANDARD_INPUT_NAME.into();
        read.map_err(|source| PictureError::Read { name, source })?;
    } else {
        let read = File::open(path).and_then(|file| file.take(limit).read_to_end(&mut bytes));
        let name = path.display().to_string();
        read.map_err(|source| PictureError::Read { name, source })?;
    }
    Ok(bytes)
}

#[cfg(test)]
pub(crate) mod tests {
    use std::fs::{create_dir, write};

    use super::*;

    /// A photo that is named by its path.
    pub(crate) fn photo(path: PathBuf) -> Photo {
        Photo::file(path)
    }

    fn names(photos: &[Photo], folder: &Path) -> Vec<String> {
        let prefix = format!("{}{}", folder.display(), std::path::MAIN_SEPARATOR);
        photos.iter().map(|photo| photo.name().replace(&prefix, "").replace('\\', "/")).collect()
    }

    fn expand(path: &Path, max_depth: usize) -> Vec<Photo> {
        let options = WalkOptions { max_depth, ..WalkOptions::default() };
        Finder { options, passed_over: PassedOver::default() }.expand(path)
    }

    /// `b.jpg`, `a.PNG`, `notes.txt`, `.hidden.jpg`, `deep/c.webp`.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        create_dir(folder.path().join("deep")).unwrap();
        for name in ["b.jpg", "a.PNG", "notes.txt", ".hidden.jpg", "deep/c.webp"] {
            write(folder.path().join(name), "").unwrap();
        }
        folder
    }

    #[test]
    fn a_folder_gives_its_photos_by_name() {
        let folder = folder();
        let all = expand(folder.path(), usize::MAX);
        assert_eq!(names(&all, folder.path()), ["a.PNG", "b.jpg", "deep/c.webp"]);
        let flat = expand(folder.path(), 1);
        assert_eq!(names(&flat, folder.path()), ["a.PNG", "b.jpg"]);
    }

    #[test]
    fn photos_know_their_way_from_the_folder() {
        let folder = folder();
        let relative_dirs = |photos: Vec<Photo>| {
            photos.iter().map(|photo| photo.relative_dir().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(
            relative_dirs(expand(folder.path(), usize::MAX)),
            ["", "", "deep"].map(PathBuf::from)
        );
        assert_eq!(relative_dirs(expand(&folder.path().join("deep/c.webp"), 1)), [PathBuf::new()]);
    }

    #[test]
    fn several_folders_keep_their_trees_apart() {
        let folder = folder();
        create_dir(folder.path().join("deep/deep")).unwrap();
        let paths = ["deep", "deep/deep", "a.PNG"].map(|name| folder.path().join(name));
        assert_eq!(root_names(&paths), ["deep", "deep-2", ""].map(PathBuf::from));
        assert_eq!(root_names(&paths[1..]), ["", ""].map(PathBuf::from));
    }

    #[test]
    fn a_pattern_gives_what_a_shell_would() {
        let folder = folder();
        let all = expand(&folder.path().join("*"), usize::MAX);
        assert_eq!(names(&all, folder.path()), ["a.PNG", "b.jpg", "deep/c.webp", "notes.txt"]);
        let none = expand(&folder.path().join("*.gif"), usize::MAX);
        assert!(matches!(none[..], [Photo { source: Source::Unavailable { .. }, .. }]));
    }

    #[test]
    fn a_file_that_looks_like_a_pattern_is_a_file() {
        let folder = folder();
        let path = folder.path().join("[1].jpg");
        write(&path, "").unwrap();
        assert_eq!(expand(&path, 1), [Photo::file(path)]);
    }

    #[cfg(unix)]
    #[test]
    fn a_folder_is_visited_once_whatever_links_say() {
        let folder = folder();
        std::os::unix::fs::symlink("..", folder.path().join("deep/up")).unwrap();
        std::os::unix::fs::symlink("deep", folder.path().join("a link")).unwrap();
        std::os::unix::fs::symlink("nowhere", folder.path().join("gone.jpg")).unwrap();
        let all = expand(folder.path(), usize::MAX);
        assert_eq!(names(&all, folder.path()), ["a.PNG", "b.jpg", "deep/c.webp", "gone.jpg"]);
        let Source::Unavailable { why, .. } = &all[3].source else { panic!("{:?}", all[3]) };
        assert!(why.contains("No such file"), "{why}");
    }

    #[cfg(unix)]
    #[test]
    fn a_named_pipe_is_refused_and_an_open_one_is_read() {
        use std::os::fd::AsRawFd as _;
        let folder = folder();
        let pipe = folder.path().join("pipe.jpg");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let error = expand(&pipe, 1)[0].open(&OpenOptions::default()).unwrap_err();
        assert!(error.to_string().contains("neither a file nor a folder"), "{error}");
        let (reader, writer) = io::pipe().unwrap();
        drop(writer);
        let open = PathBuf::from(format!("/dev/fd/{}", reader.as_raw_fd()));
        let error = expand(&open, 1)[0].open(&OpenOptions::default()).unwrap_err();
        assert!(error.to_string().contains("is empty"), "{error}");
    }

    #[cfg(unix)]
    #[test]
    fn a_photo_behind_a_link_is_known_to_lie_elsewhere() {
        let (folder, outside) = (folder(), tempfile::tempdir().unwrap());
        write(outside.path().join("other.jpg"), "").unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join("link")).unwrap();
        let photos = expand(folder.path(), usize::MAX);
        let outside: Vec<&str> = photos
            .iter()
            .filter(|photo| photo.folder_left_by_a_link().is_some())
            .map(|photo| photo.path().unwrap().file_name().unwrap().to_str().unwrap())
            .collect();
        assert_eq!((photos.len(), outside), (4, vec!["other.jpg"]));
    }

    #[cfg(unix)]
    #[test]
    fn a_pipe_in_a_folder_is_named() {
        let folder = folder();
        let pipe = folder.path().join("pipe.jpg");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let photos = expand(folder.path(), usize::MAX);
        let is_pipe = |photo: &&Photo| match &photo.source {
            Source::Unavailable { why, .. } => why.contains("pipe"),
            _ => false,
        };
        assert_eq!((photos.len(), photos.iter().filter(is_pipe).count()), (4, 1));
    }

    #[test]
    fn a_list_has_one_path_a_line() {
        let folder = folder();
        let list = folder.path().join("list");
        write(&list, "a b.jpg\r\n\n*.png\n").unwrap();
        assert_eq!(read_list(&list).unwrap(), [Path::new("a b.jpg"), Path::new("*.png")]);
    }
}
