//! Patterns of paths that the shell did not expand, such as `holidays/*.jpg`.
//!
//! Names of files are bytes. The crate `glob` matches texts and panics at a name that is none, so
//! it only parses patterns here: a name is matched with a private character in place of each byte
//! that is no text, and with its letters composed.

use std::ffi::OsStr;
use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use glob::{MatchOptions, Pattern, PatternError};
use lorgnette::photos::{existing_path, nfc};

/// The outcome of a pattern.
#[derive(Debug)]
pub(crate) enum Match {
    /// A path that fits.
    Path(PathBuf),
    /// A folder that cannot be read.
    Unreadable(PathBuf, io::Error),
}

/// A part of a pattern, between two slashes.
enum Part {
    /// A name, a root or `..`.
    Literal(PathBuf),
    /// A name of these characters.
    Name(Pattern),
    /// `**`: any folders, or none.
    Folders,
}

/// Returns the paths that fit, in order of their names.
///
/// # Errors
/// If the pattern cannot be parsed.
pub(crate) fn expand(pattern: &Path, options: MatchOptions) -> Result<Vec<Match>, PatternError> {
    let parts =
        pattern.components().map(|component| parse(component)).collect::<Result<Vec<Part>, _>>()?;
    let mut found = Vec::new();
    Expansion { options, found: &mut found }.expand(PathBuf::new(), &parts);
    Ok(found)
}

/// Returns true if a path may be a pattern.
pub(crate) fn is_pattern(path: &OsStr) -> bool {
    path.as_encoded_bytes().iter().any(|byte| matches!(byte, b'*' | b'?' | b'['))
}

/// Returns a name as text: letters composed, a private character for each byte that is no text.
fn characters(name: &OsStr) -> String {
    /// The first of 256 characters of Unicode's private use area.
    const FIRST: u32 = 0xf700;
    let mut text = String::new();
    for chunk in name.as_encoded_bytes().utf8_chunks() {
        text.push_str(&nfc(chunk.valid()));
        let bytes = chunk.invalid().iter().map(|&byte| FIRST + u32::from(byte));
        text.extend(bytes.filter_map(char::from_u32));
    }
    text
}

fn parse(component: Component<'_>) -> Result<Part, PatternError> {
    match component {
        Component::Normal(name) if name == "**" => Ok(Part::Folders),
        Component::Normal(name) if is_pattern(name) => {
            Ok(Part::Name(Pattern::new(&characters(name))?))
        }
        Component::Normal(name) => Ok(Part::Literal(name.into())),
        other => Ok(Part::Literal(PathBuf::from(other.as_os_str()))),
    }
}

struct Expansion<'a> {
    options: MatchOptions,
    found: &'a mut Vec<Match>,
}

impl Expansion<'_> {
    fn expand(&mut self, base: PathBuf, parts: &[Part]) {
        let Some((part, rest)) = parts.split_first() else {
            self.found.push(Match::Path(base));
            return;
        };
        match part {
            Part::Literal(name) => {
                if let Some(path) = existing_path(&base.join(name)) {
                    self.expand(path, rest);
                }
            }
            Part::Name(pattern) => {
                for path in self.entries(&base) {
                    let name = characters(path.file_name().unwrap_or_default());
                    if pattern.matches_with(&name, self.options) {
                        self.expand(path, rest);
                    }
                }
            }
            Part::Folders => {
                if rest.is_empty() {
                    self.found.push(Match::Path(base.clone()));
                } else {
                    self.expand(base.clone(), rest);
                }
                for path in self.entries(&base) {
                    // Links may lead back here.
                    let is_folder = path.symlink_metadata().is_ok_and(|metadata| metadata.is_dir());
                    if is_folder && !is_hidden(path.file_name()) {
                        self.expand(path, parts);
                    }
                }
            }
        }
    }

    /// The entries of a folder, sorted; none if it is a file.
    fn entries(&mut self, folder: &Path) -> Vec<PathBuf> {
        let is_here = folder.as_os_str().is_empty();
        let read_folder = if is_here { Path::new(".") } else { folder };
        if !read_folder.is_dir() {
            return Vec::new();
        }
        let entries =
            fs::read_dir(read_folder).and_then(Iterator::collect::<io::Result<Vec<fs::DirEntry>>>);
        match entries {
            Ok(entries) => {
                let mut paths: Vec<PathBuf> =
                    entries.iter().map(|entry| folder.join(entry.file_name())).collect();
                paths.sort();
                paths
            }
            Err(error) => {
                self.found.push(Match::Unreadable(folder.to_owned(), error));
                Vec::new()
            }
        }
    }
}

fn is_hidden(name: Option<&OsStr>) -> bool {
    name.is_some_and(|name| name.as_encoded_bytes().starts_with(b"."))
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: MatchOptions = MatchOptions {
        case_sensitive: true,
        require_literal_separator: true,
        require_literal_leading_dot: true,
    };

    fn names(folder: &Path, pattern: &str) -> Vec<String> {
        let pattern = folder.join(pattern);
        let found = expand(&pattern, OPTIONS).unwrap();
        let shown = |found: &Match| match found {
            Match::Path(path) => {
                path.strip_prefix(folder).unwrap().to_string_lossy().replace('\\', "/")
            }
            Match::Unreadable(path, error) => panic!("{}: {error}", path.display()),
        };
        found.iter().map(shown).collect()
    }

    #[test]
    fn patterns_match_names_folder_by_folder() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["a/1.jpg", "a/2.png", "a/b/3.jpg", ".hidden/4.jpg", "5.jpg"] {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let folder = folder.path();
        assert_eq!(names(folder, "*.jpg"), ["5.jpg"]);
        assert_eq!(names(folder, "a/*.jpg"), ["a/1.jpg"]);
        assert_eq!(names(folder, "?/[12].*"), ["a/1.jpg", "a/2.png"]);
        assert_eq!(names(folder, "**/*.jpg"), ["5.jpg", "a/1.jpg", "a/b/3.jpg"]);
        assert!(names(folder, "c/*.jpg").is_empty());
        assert!(expand(Path::new("a["), OPTIONS).is_err());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn names_that_are_no_text_are_matched() {
        use std::os::unix::ffi::OsStrExt as _;
        let folder = tempfile::tempdir().unwrap();
        let name = OsStr::from_bytes(b"a\xff.jpg");
        fs::write(folder.path().join(name), "").unwrap();
        let pattern = folder.path().join("*.jpg");
        let found = expand(&pattern, OPTIONS).unwrap();
        let [Match::Path(path)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(path.file_name(), Some(name));
    }
}
