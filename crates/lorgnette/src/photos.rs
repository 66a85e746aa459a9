//! Discovery of photos in folders.
//!
//! ```text
//! folders ─▶ each read once, linked ones last ─▶ photos, folders and skipped files by path
//! ```
//! A photo is a regular file whose name has a known extension. Hidden files and folders are
//! skipped, and so are folders of copies that programs make of photos: thumbnails of network
//! storage, recycle bins, all of an Apple photo library but its originals. [`WalkOptions::exclude`]
//! leaves out more. Links are followed, but a folder is visited only once, whatever links lead to
//! it: by the path without links if there is one. Pipes, devices and sockets are never opened.
//!
//! ```
//! use lorgnette::photos::{SkipReason, Walk, WalkOptions};
//!
//! let folder = tempfile::tempdir()?;
//! for name in ["b.jpg", "a.png", "notes.txt"] {
//!     std::fs::write(folder.path().join(name), "")?;
//! }
//! let walk = Walk::new(&[folder.path()], &WalkOptions::default());
//! let names: Vec<_> = walk.photos().map(|path| path.file_name().unwrap()).collect();
//! assert_eq!(names, ["a.png", "b.jpg"]);
//! assert_eq!(walk.count(SkipReason::OtherFile), 1);
//! # Ok::<_, std::io::Error>(())
//! ```

use std::collections::{BTreeSet, HashMap};
use std::ffi::OsStr;
use std::fs::{self, Metadata};
use std::io;
use std::path::{Path, PathBuf};

use crate::picture::has_photo_extension;

mod names;
mod passed_over;
mod pattern;

pub use names::{existing_path, nfc, path_bytes, path_from_bytes, path_text};
pub use passed_over::PassedOver;
pub use pattern::{Exclusion, glob_matches};

/// Options of a walk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalkOptions {
    /// Maximum depth of photos: 1 for those directly in the folder. Default: unlimited.
    pub max_depth: usize,
    /// Whether [`Walk::entries`] includes everything that was skipped. If not, it includes what
    /// may hide photos (see [`Entry`]), and the rest is only counted. Default: no.
    pub list_skipped: bool,
    /// Files and folders to leave out. Default: none.
    pub exclude: Vec<Exclusion>,
}

impl Default for WalkOptions {
    fn default() -> Self {
        Self { max_depth: usize::MAX, list_skipped: false, exclude: Vec::new() }
    }
}

/// Contents of folders.
#[derive(Debug, Default)]
pub struct Walk {
    /// Everything found, ordered by root and path.
    pub entries: Vec<Entry>,
    counts: [usize; SkipReason::ALL.len()],
    passed_over: PassedOver,
}

/// A file or folder. A folder that cannot be read has two: as a folder, and as skipped.
#[derive(Debug)]
pub struct Entry {
    /// Its path, which begins with that of its root.
    pub path: PathBuf,
    /// Index of its root.
    pub root: usize,
    /// Number of path components below the root.
    pub depth: usize,
    /// Its kind.
    pub kind: EntryKind,
}

/// Kind of an [`Entry`].
#[derive(Debug)]
#[non_exhaustive]
pub enum EntryKind {
    /// A regular file with the extension of a photo; a root may have any extension.
    Photo,
    /// A folder below a root.
    Folder,
    /// A hidden file or folder. Listed on request.
    Hidden,
    /// A folder of copies that a program made. Listed on request.
    Generated,
    /// A file or folder that an [`Exclusion`] matches. Listed on request.
    Excluded,
    /// A regular file with another extension. Listed on request.
    OtherFile,
    /// A pipe, device or socket. Listed if it has the extension of a photo, or on request.
    NotAFile,
    /// A link to a folder that has been visited.
    RepeatedFolder {
        /// The path by which it was visited.
        visited: PathBuf,
    },
    /// A link without a target. Listed if it has the extension of a photo, or on request.
    BrokenLink(io::Error),
    /// A file or folder that cannot be read.
    Unreadable(io::Error),
}

/// Why a file or folder is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SkipReason {
    /// [`EntryKind::Hidden`].
    Hidden,
    /// [`EntryKind::Generated`].
    Generated,
    /// [`EntryKind::Excluded`].
    Excluded,
    /// [`EntryKind::OtherFile`].
    OtherFile,
    /// [`EntryKind::NotAFile`].
    NotAFile,
    /// [`EntryKind::RepeatedFolder`].
    RepeatedFolder,
    /// [`EntryKind::BrokenLink`].
    BrokenLink,
    /// [`EntryKind::Unreadable`].
    Unreadable,
}

impl SkipReason {
    /// All values.
    pub const ALL: [Self; 8] = [
        Self::Hidden,
        Self::Generated,
        Self::Excluded,
        Self::OtherFile,
        Self::NotAFile,
        Self::RepeatedFolder,
        Self::BrokenLink,
        Self::Unreadable,
    ];
}

impl EntryKind {
    /// Returns why the entry is skipped; `None` for photos and folders.
    #[must_use]
    pub fn skip_reason(&self) -> Option<SkipReason> {
        match self {
            Self::Photo | Self::Folder => None,
            Self::Hidden => Some(SkipReason::Hidden),
            Self::Generated => Some(SkipReason::Generated),
            Self::Excluded => Some(SkipReason::Excluded),
            Self::OtherFile => Some(SkipReason::OtherFile),
            Self::NotAFile => Some(SkipReason::NotAFile),
            Self::RepeatedFolder { .. } => Some(SkipReason::RepeatedFolder),
            Self::BrokenLink(_) => Some(SkipReason::BrokenLink),
            Self::Unreadable(_) => Some(SkipReason::Unreadable),
        }
    }

    /// Returns whether an entry of this kind and path may hide a photo.
    fn may_hide_photo(&self, path: &Path) -> bool {
        match self {
            Self::Photo | Self::Folder | Self::RepeatedFolder { .. } | Self::Unreadable(_) => true,
            Self::NotAFile | Self::BrokenLink(_) => has_photo_extension(path),
            Self::Hidden | Self::Generated | Self::Excluded | Self::OtherFile => false,
        }
    }
}

impl Entry {
    /// Returns the error of a link or of a file or folder that cannot be read.
    #[must_use]
    pub fn error(&self) -> Option<&io::Error> {
        match &self.kind {
            EntryKind::BrokenLink(error) | EntryKind::Unreadable(error) => Some(error),
            _ => None,
        }
    }
}

impl Walk {
    /// Walks the folders in `roots` and their subfolders. A root that is a regular file is a photo
    /// whatever its extension.
    #[must_use]
    pub fn new<P: AsRef<Path>>(roots: &[P], options: &WalkOptions) -> Self {
        let mut walker = Walker {
            options,
            roots: roots.iter().map(|root| root.as_ref().to_owned()).collect(),
            walk: Self::default(),
            visited: HashMap::new(),
            folders: Vec::new(),
            links: BTreeSet::new(),
        };
        for (root, path) in roots.iter().enumerate() {
            walker.root(root, path.as_ref());
        }
        walker.follow_links();
        let mut walk = walker.walk;
        // Stable: a folder comes before the error of reading it.
        walk.entries.sort_by(|a, b| (a.root, &a.path).cmp(&(b.root, &b.path)));
        walk
    }

    /// Returns the paths of the photos.
    pub fn photos(&self) -> impl Iterator<Item = &Path> {
        self.entries
            .iter()
            .filter(|entry| matches!(entry.kind, EntryKind::Photo))
            .map(|entry| entry.path.as_path())
    }

    /// Returns the number of files, folders and links that were skipped for a reason.
    #[must_use]
    pub fn count(&self, reason: SkipReason) -> usize {
        self.counts[reason as usize]
    }

    /// Returns what was passed over because it is no photo, or left out, by kind.
    #[must_use]
    pub fn passed_over(&self) -> &PassedOver {
        &self.passed_over
    }
}

/// A place below a root. The order is that in which links are followed: shallow ones first.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    depth: usize,
    root: usize,
    path: PathBuf,
}

struct Walker<'a> {
    options: &'a WalkOptions,
    roots: Vec<PathBuf>,
    walk: Walk,
    /// Path of each folder that has been visited.
    visited: HashMap<FolderId, PathBuf>,
    /// Folders to read.
    folders: Vec<Place>,
    /// Links to folders, which are followed when all other folders have been read.
    links: BTreeSet<Place>,
}

impl Walker<'_> {
    fn root(&mut self, root: usize, path: &Path) {
        let place = Place { depth: 0, root, path: path.into() };
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => {
                self.visit(place, &metadata);
                self.read_folders();
            }
            Ok(metadata) if metadata.is_file() => self.add(place, EntryKind::Photo),
            Ok(_) => self.add(place, EntryKind::NotAFile),
            Err(error) => self.add(place, EntryKind::Unreadable(error)),
        }
    }

    fn follow_links(&mut self) {
        while let Some(place) = self.links.pop_first() {
            match fs::metadata(&place.path) {
                Ok(metadata) => self.visit(place, &metadata),
                Err(error) => self.add(place, EntryKind::Unreadable(error)),
            }
            self.read_folders();
        }
    }

    /// Marks a folder as one to read, unless it has been visited.
    fn visit(&mut self, place: Place, metadata: &Metadata) {
        if place.depth >= self.options.max_depth {
            return self.add(place, EntryKind::Folder);
        }
        let id = match FolderId::new(&place.path, metadata) {
            Ok(id) => id,
            Err(error) => return self.add(place, EntryKind::Unreadable(error)),
        };
        if let Some(visited) = self.visited.get(&id) {
            // Roots may overlap.
            if *visited != place.path && place.depth > 0 {
                let visited = visited.clone();
                self.add(place, EntryKind::RepeatedFolder { visited });
            }
            return;
        }
        self.visited.insert(id, place.path.clone());
        if place.depth > 0 {
            self.add(place.clone(), EntryKind::Folder);
        }
        self.folders.push(place);
    }

    fn read_folders(&mut self) {
        while let Some(folder) = self.folders.pop() {
            let entries = match fs::read_dir(&folder.path) {
                Ok(entries) => entries,
                Err(error) => {
                    self.add(folder, EntryKind::Unreadable(error));
                    continue;
                }
            };
            for entry in entries {
                match entry {
                    Ok(entry) => self.entry(&folder, &entry),
                    Err(error) => self.add(folder.clone(), EntryKind::Unreadable(error)),
                }
            }
        }
    }

    fn entry(&mut self, folder: &Place, entry: &fs::DirEntry) {
        let place = Place { depth: folder.depth + 1, root: folder.root, path: entry.path() };
        if is_hidden(&entry.file_name()) {
            return self.add(place, EntryKind::Hidden);
        }
        if let Some(kind) = generated_kind(&folder.path, &entry.file_name()) {
            *self.walk.passed_over.generated.entry(kind).or_default() += 1;
            return self.add(place, EntryKind::Generated);
        }
        if self.is_excluded(&place) {
            return self.add(place, EntryKind::Excluded);
        }
        let kind = match entry.file_type() {
            Ok(kind) => kind,
            Err(error) => return self.add(place, EntryKind::Unreadable(error)),
        };
        if kind.is_file() {
            return self.file(place);
        }
        if !kind.is_dir() && !kind.is_symlink() {
            return self.add(place, EntryKind::NotAFile);
        }
        match fs::metadata(&place.path) {
            Ok(metadata) if metadata.is_dir() && kind.is_symlink() => {
                self.links.insert(place);
            }
            Ok(metadata) if metadata.is_dir() => self.visit(place, &metadata),
            Ok(metadata) if metadata.is_file() => self.file(place),
            Ok(_) => self.add(place, EntryKind::NotAFile),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.add(place, EntryKind::BrokenLink(error));
            }
            Err(error) => self.add(place, EntryKind::Unreadable(error)),
        }
    }

    fn is_excluded(&self, place: &Place) -> bool {
        let path = place.path.strip_prefix(&self.roots[place.root]).unwrap_or(&place.path);
        self.options.exclude.iter().any(|exclusion| exclusion.matches(path))
    }

    /// Adds a regular file.
    fn file(&mut self, place: Place) {
        let is_photo = has_photo_extension(&place.path);
        self.add(place, if is_photo { EntryKind::Photo } else { EntryKind::OtherFile });
    }

    fn add(&mut self, place: Place, kind: EntryKind) {
        let Place { depth, root, path } = place;
        if let Some(reason) = kind.skip_reason() {
            self.walk.counts[reason as usize] += 1;
        }
        match kind {
            EntryKind::OtherFile => {
                let extension = path.extension().unwrap_or_default().to_string_lossy();
                *self.walk.passed_over.files.entry(extension.to_lowercase()).or_default() += 1;
            }
            EntryKind::Hidden if has_photo_extension(&path) || path.is_dir() => {
                self.walk.passed_over.hidden += 1;
            }
            EntryKind::Excluded => self.walk.passed_over.excluded += 1,
            _ => {}
        }
        if self.options.list_skipped || depth == 0 || kind.may_hide_photo(&path) {
            self.walk.entries.push(Entry { path, root, depth, kind });
        }
    }
}

/// Returns whether a name is that of a hidden file or folder.
pub(crate) fn is_hidden(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b".")
}

/// Returns the kind of copies that a program made of photos; `None` for any other name in a folder.
fn generated_kind(folder: &Path, name: &OsStr) -> Option<String> {
    /// Of Synology, QNAP, Windows and Linux: thumbnails, recycle bins, snapshots.
    const FOLDERS: [&str; 8] = [
        "@eaDir",
        "@__thumb",
        "@Recycle",
        "#recycle",
        "#snapshot",
        "$RECYCLE.BIN",
        "System Volume Information",
        "lost+found",
    ];
    /// Where the photos are in Apple's photo library, in its newer and its older form.
    const ORIGINALS: [&str; 2] = ["originals", "Masters"];
    let has_extension = |path: &Path, extension: &str| path.extension() == Some(extension.as_ref());
    if let Some(known) = FOLDERS.iter().find(|known| name == **known) {
        return Some((*known).to_owned());
    }
    if has_extension(Path::new(name), "lrdata") {
        return Some(".lrdata".to_owned());
    }
    let is_copy = has_extension(folder, "photoslibrary")
        && !ORIGINALS.iter().any(|originals| name == *originals);
    is_copy.then(|| "of .photoslibrary".to_owned())
}

/// Identifies a folder, whatever path leads to it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct FolderId {
    #[cfg(unix)]
    device: u64,
    #[cfg(unix)]
    inode: u64,
    #[cfg(not(unix))]
    path: PathBuf,
}

impl FolderId {
    #[cfg(unix)]
    #[expect(clippy::unnecessary_wraps, reason = "fails on other systems")]
    fn new(_path: &Path, metadata: &Metadata) -> io::Result<Self> {
        use std::os::unix::fs::MetadataExt as _;
        Ok(Self { device: metadata.dev(), inode: metadata.ino() })
    }

    #[cfg(not(unix))]
    fn new(path: &Path, _metadata: &Metadata) -> io::Result<Self> {
        Ok(Self { path: fs::canonicalize(path)? })
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{create_dir_all, write};

    use super::*;

    /// Files `b.jpg`, `a.PNG`, `notes.txt`, `.hidden.jpg`, `deep/c.webp`, `deep.jpg`.
    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        create_dir_all(folder.path().join("deep")).unwrap();
        for name in ["b.jpg", "a.PNG", "notes.txt", ".hidden.jpg", "deep/c.webp", "deep.jpg"] {
            write(folder.path().join(name), "").unwrap();
        }
        folder
    }

    fn names(walk: &Walk, folder: &Path) -> Vec<String> {
        let name = |path: &Path| path.strip_prefix(folder).unwrap().display().to_string();
        walk.photos().map(|path| name(path).replace('\\', "/")).collect()
    }

    fn walk(folder: &Path) -> Walk {
        Walk::new(&[folder], &WalkOptions::default())
    }

    #[test]
    fn photos_come_by_path_and_the_rest_is_counted() {
        let folder = folder();
        let all = walk(folder.path());
        assert_eq!(names(&all, folder.path()), ["a.PNG", "b.jpg", "deep/c.webp", "deep.jpg"]);
        let counts = SkipReason::ALL.map(|reason| all.count(reason));
        assert_eq!(counts, [1, 0, 0, 1, 0, 0, 0, 0]);
        assert_eq!(all.passed_over().to_string(), "1 .txt, 1 hidden");
        assert_eq!(all.entries.len(), 5, "four photos and a folder: {all:?}");
        let options = WalkOptions { list_skipped: true, ..WalkOptions::default() };
        let listed = Walk::new(&[folder.path()], &options);
        let skipped: Vec<&Path> = listed
            .entries
            .iter()
            .filter(|entry| entry.kind.skip_reason().is_some())
            .map(|entry| entry.path.strip_prefix(folder.path()).unwrap())
            .collect();
        assert_eq!(skipped, [Path::new(".hidden.jpg"), Path::new("notes.txt")]);
        create_dir_all(folder.path().join(".album")).unwrap();
        write(folder.path().join(".nomedia"), "").unwrap();
        let with_album = walk(folder.path());
        assert_eq!(with_album.passed_over().hidden, 2, "a photo and a folder, which may have some");
    }

    #[test]
    fn copies_that_programs_make_are_left_out() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "a.jpg",
            "@eaDir/a.jpg",
            "#recycle/b.jpg",
            "Mine.photoslibrary/originals/0/c.heic",
            "Mine.photoslibrary/resources/derivatives/c.jpeg",
            "Catalog Previews.lrdata/d.jpg",
        ] {
            create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
            write(folder.path().join(name), "").unwrap();
        }
        let all = walk(folder.path());
        let expected = ["Mine.photoslibrary/originals/0/c.heic", "a.jpg"];
        assert_eq!(names(&all, folder.path()), expected);
        assert_eq!(all.count(SkipReason::Generated), 4);
        let kinds = "1 #recycle, 1 .lrdata, 1 @eaDir, 1 of .photoslibrary";
        assert_eq!(all.passed_over().to_string(), kinds);
        let named = walk(&folder.path().join("@eaDir"));
        assert_eq!(named.photos().count(), 1, "a folder that is named is walked");
    }

    #[test]
    fn what_is_excluded_is_left_out_and_counted() {
        let folder = folder();
        let exclude = ["*.png", "deep/"].map(|pattern| pattern.parse().unwrap()).to_vec();
        let options = WalkOptions { exclude, ..WalkOptions::default() };
        let walk = Walk::new(&[folder.path()], &options);
        assert_eq!(names(&walk, folder.path()), ["b.jpg", "deep.jpg"]);
        assert_eq!((walk.count(SkipReason::Excluded), walk.passed_over().excluded), (2, 2));
        let named = Walk::new(&[folder.path().join("a.PNG")], &options);
        assert_eq!(named.photos().count(), 1, "a photo that is named is taken");
    }

    #[test]
    fn depth_is_limited() {
        let folder = folder();
        let options = WalkOptions { max_depth: 1, ..WalkOptions::default() };
        let flat = Walk::new(&[folder.path()], &options);
        assert_eq!(names(&flat, folder.path()), ["a.PNG", "b.jpg", "deep.jpg"]);
    }

    #[test]
    fn roots_may_be_files_overlap_or_be_missing() {
        let folder = folder();
        let root = |name: &str| folder.path().join(name);
        let roots = [root("deep"), root("notes.txt"), root(""), root("nowhere")];
        let walk = Walk::new(&roots, &WalkOptions::default());
        let expected = ["deep/c.webp", "notes.txt", "a.PNG", "b.jpg", "deep.jpg"];
        assert_eq!(names(&walk, folder.path()), expected);
        assert_eq!(walk.count(SkipReason::Unreadable), 1);
        assert_eq!(walk.count(SkipReason::RepeatedFolder), 0);
    }

    #[cfg(unix)]
    mod unix {
        use std::os::unix::fs::{PermissionsExt as _, symlink};
        use std::os::unix::net::UnixListener;

        use super::*;

        #[test]
        fn a_folder_is_visited_once_and_rather_without_links() {
            let folder = folder();
            let at = |name: &str| folder.path().join(name);
            symlink("..", at("deep/up")).unwrap();
            symlink("deep", at("a link")).unwrap();
            symlink("b.jpg", at("z.jpg")).unwrap();
            let walk = walk(folder.path());
            let expected = ["a.PNG", "b.jpg", "deep/c.webp", "deep.jpg", "z.jpg"];
            assert_eq!(names(&walk, folder.path()), expected);
            assert_eq!(walk.count(SkipReason::RepeatedFolder), 2);
            let visited = walk.entries.iter().find_map(|entry| match &entry.kind {
                EntryKind::RepeatedFolder { visited } if entry.path == at("a link") => {
                    Some(visited)
                }
                _ => None,
            });
            assert_eq!(visited, Some(&at("deep")));
        }

        #[test]
        fn a_linked_folder_elsewhere_is_visited_by_its_link() {
            let (folder, elsewhere) = (folder(), folder());
            symlink(elsewhere.path(), folder.path().join("one")).unwrap();
            symlink(elsewhere.path(), folder.path().join("two")).unwrap();
            // It leads back to both folders.
            symlink(folder.path(), elsewhere.path().join("deep/back")).unwrap();
            let walk = walk(folder.path());
            let names = names(&walk, folder.path());
            let expected = [
                "a.PNG",
                "b.jpg",
                "deep/c.webp",
                "deep.jpg",
                "one/a.PNG",
                "one/b.jpg",
                "one/deep/c.webp",
                "one/deep.jpg",
            ];
            assert_eq!(names, expected);
            assert_eq!(walk.count(SkipReason::RepeatedFolder), 2);
        }

        /// Twelve folders with links to all of them have more paths without a circle than can ever
        /// be walked.
        #[test]
        fn links_between_folders_do_not_multiply() {
            let folder = tempfile::tempdir().unwrap();
            let at = |number: usize| folder.path().join(number.to_string());
            for number in 0..12 {
                create_dir_all(at(number)).unwrap();
                write(at(number).join("photo.jpg"), "").unwrap();
                for other in 0..12 {
                    symlink(at(other), at(number).join(format!("to {other}"))).unwrap();
                }
            }
            // Were each link followed, some 12⁴ photos would be within five levels. Without a
            // maximum the walk would not end.
            for max_depth in [5, usize::MAX] {
                let options = WalkOptions { max_depth, ..WalkOptions::default() };
                let walk = Walk::new(&[folder.path()], &options);
                assert_eq!(walk.photos().count(), 12);
                assert_eq!(walk.count(SkipReason::RepeatedFolder), 144);
            }
        }

        #[test]
        fn broken_links_and_special_files_are_told_if_they_are_called_like_photos() {
            let folder = tempfile::tempdir().unwrap();
            let at = |name: &str| folder.path().join(name);
            symlink("nowhere", at("gone.jpg")).unwrap();
            symlink("nowhere", at("gone.txt")).unwrap();
            symlink("circle.jpg", at("circle.jpg")).unwrap();
            symlink("/dev/zero", at("zero.jpg")).unwrap();
            let _socket = UnixListener::bind(at("socket")).unwrap();
            let walk = walk(folder.path());
            let reasons: Vec<_> = walk
                .entries
                .iter()
                .map(|entry| {
                    (entry.path.file_name().unwrap(), entry.kind.skip_reason(), entry.error())
                })
                .map(|(name, reason, error)| (name, reason.unwrap(), error.is_some()))
                .collect();
            assert_eq!(
                reasons,
                [
                    (OsStr::new("circle.jpg"), SkipReason::Unreadable, true),
                    (OsStr::new("gone.jpg"), SkipReason::BrokenLink, true),
                    (OsStr::new("zero.jpg"), SkipReason::NotAFile, false),
                ]
            );
            assert_eq!(walk.count(SkipReason::BrokenLink), 2);
            assert_eq!(walk.count(SkipReason::NotAFile), 2);
        }

        #[test]
        fn an_unreadable_folder_is_told() {
            let folder = folder();
            let secret = folder.path().join("deep");
            fs::set_permissions(&secret, fs::Permissions::from_mode(0o000)).unwrap();
            if fs::read_dir(&secret).is_ok() {
                println!("not tried: this user may read every folder");
                return;
            }
            let walk = walk(folder.path());
            fs::set_permissions(&secret, fs::Permissions::from_mode(0o700)).unwrap();
            assert_eq!(names(&walk, folder.path()), ["a.PNG", "b.jpg", "deep.jpg"]);
            let kinds: Vec<_> = walk.entries.iter().filter(|entry| entry.path == secret).collect();
            assert!(
                matches!(
                    kinds[..],
                    [
                        Entry { kind: EntryKind::Folder, .. },
                        Entry { kind: EntryKind::Unreadable(_), .. }
                    ]
                ),
                "{kinds:?}"
            );
        }
    }
}
