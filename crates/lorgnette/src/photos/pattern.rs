//! Glob patterns of paths.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::path::Path;
use std::str::FromStr;

use super::nfc;

/// A pattern of files and folders that a walk leaves out.
///
/// Without a slash it is a whole name, such as `thumbs` or `*.png`; with one, it is the end of a
/// path below the root, such as `2024/raw`. `*` stands for any characters, `?` for one. ASCII case
/// is ignored.
///
/// ```
/// use lorgnette::photos::Exclusion;
///
/// let exclusion: Exclusion = "*.png".parse().unwrap();
/// assert!(exclusion.matches("deep/a.PNG".as_ref()) && !exclusion.matches("a.jpg".as_ref()));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exclusion(Vec<u8>);

impl FromStr for Exclusion {
    type Err = Infallible;

    fn from_str(pattern: &str) -> Result<Self, Infallible> {
        Ok(Self::from(OsStr::new(pattern)))
    }
}

/// A pattern need not be text, as names of files need not be.
impl From<&OsStr> for Exclusion {
    fn from(pattern: &OsStr) -> Self {
        let bytes = pattern.as_encoded_bytes();
        let start = bytes.iter().position(|&byte| byte != b'/').unwrap_or(bytes.len());
        let end = bytes.iter().rposition(|&byte| byte != b'/').map_or(start, |last| last + 1);
        Self(folded(&bytes[start..end]))
    }
}

impl Exclusion {
    /// Returns whether the pattern matches a path below the root.
    #[must_use]
    pub fn matches(&self, path: &Path) -> bool {
        let path = folded(path.as_os_str().as_encoded_bytes());
        starts(&path).any(|start| glob_matches_whole(&self.0, &path[start..]))
    }
}

/// Returns whether a path matches a pattern. Without `*` and `?` the pattern is a substring; with
/// them it matches from the beginning of the path, or of the name of a folder or file, to the
/// path's end. `*` matches any characters, `/` included, and `?` any one. ASCII case is ignored,
/// and so is whether letters are composed.
#[must_use]
pub fn glob_matches(pattern: &[u8], path: &[u8]) -> bool {
    let (pattern, path) = (folded(pattern), folded(path));
    if !pattern.iter().any(|byte| matches!(byte, b'*' | b'?')) {
        return pattern.is_empty() || path.windows(pattern.len()).any(|part| part == pattern);
    }
    starts(&path).any(|start| glob_matches_whole(&pattern, &path[start..]))
}

/// Returns a name with composed letters, ASCII in lower case; one that is no text as its bytes.
fn folded(name: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(name) {
        Ok(text) => nfc(text).as_bytes().to_ascii_lowercase(),
        Err(_) => name.to_ascii_lowercase(),
    }
}

/// Returns the places in a path at which a name begins.
fn starts(path: &[u8]) -> impl Iterator<Item = usize> {
    let slashes = path.iter().enumerate().filter(|(_, byte)| is_separator(**byte));
    std::iter::once(0).chain(slashes.map(|(at, _)| at + 1))
}

fn is_separator(byte: u8) -> bool {
    byte == b'/' || (cfg!(windows) && byte == b'\\')
}

/// Only the last star needs backtracking, so the time is at most the product of both lengths.
fn glob_matches_whole(pattern: &[u8], path: &[u8]) -> bool {
    let (mut p, mut at) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while at < path.len() {
        match pattern.get(p) {
            Some(b'*') => {
                back = Some((p, at));
                p += 1;
            }
            Some(b'?') => {
                p += 1;
                at = after_letter(path, at);
            }
            Some(byte) if *byte == path[at] => {
                p += 1;
                at += 1;
            }
            _ => {
                let Some((star, taken)) = back else { return false };
                back = Some((star, taken + 1));
                (p, at) = (star + 1, taken + 1);
            }
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// Returns the end of a UTF-8 character, or of one byte that begins none.
fn after_letter(path: &[u8], at: usize) -> usize {
    let continues = |byte: &&u8| **byte & 0xc0 == 0x80;
    at + 1 + path[at + 1..].iter().take_while(continues).count()
}

#[cfg(test)]
mod tests {
    use super::{Exclusion, glob_matches};

    #[test]
    #[cfg(unix)]
    fn patterns_and_names_need_not_be_text() {
        use std::os::unix::ffi::OsStrExt as _;
        let os = std::ffi::OsStr::from_bytes;
        let matches =
            |pattern: &[u8], path: &[u8]| Exclusion::from(os(pattern)).matches(os(path).as_ref());
        assert!(matches(b"caf\xe9.jpg", b"deep/CAF\xe9.jpg"));
        assert!(matches(b"//sub/n\xff*/", b"a/sub/n\xff.jpg"));
        assert!(!matches(b"caf\xe9.jpg", b"caf\xe8.jpg"));
        assert!(matches(b"caf?.jpg", b"caf\xe9.jpg"));
    }

    #[test]
    fn patterns_fit_as_people_expect() {
        let path = "/home/ann/Holidays/2024/Sea ünd sand.JPG".as_bytes();
        for pattern in [
            "holidays",
            "/2024/",
            "2024/*.jpg",
            "*",
            "*.jpg",
            "sea*",
            "sea ?nd sand.jpg",
            "home/*/2024/*",
            "s*d.jpg",
        ] {
            assert!(glob_matches(pattern.as_bytes(), path), "{pattern}");
        }
        for pattern in ["2023", "*.png", "2024/", "2024/?", "ea*", "*.jp", "?.jpg"] {
            assert_eq!(glob_matches(pattern.as_bytes(), path), pattern == "2024/", "{pattern}");
        }
        assert!(glob_matches(b"a\xff*", b"/x/a\xff\xfe"));
    }

    #[test]
    fn exclusions_are_whole_names_or_ends_of_paths() {
        let matches = |pattern: &str, path: &str| {
            let exclusion: Exclusion = pattern.parse().unwrap();
            exclusion.matches(path.as_ref())
        };
        assert!(matches("thumbs", "a/thumbs") && matches("Thumbs/", "thumbs"));
        assert!(!matches("thumbs", "a/thumbsup.jpg") && !matches("thumbs", "thumbs/a.jpg"));
        assert!(matches("*.png", "a/b.PNG") && !matches("*.png", "png"));
        assert!(matches("2024/*", "holidays/2024/a.jpg") && !matches("2024/*", "12024/a.jpg"));
        assert!(matches("caf\u{e9}*", "cafe\u{301} noir.jpg"), "composed and decomposed letters");
        assert!(!matches("", "a.jpg"), "an empty pattern matches nothing");
    }

    #[test]
    fn many_stars_take_no_time() {
        let (pattern, path) = ("*a".repeat(200) + "b", "a".repeat(4000));
        assert!(!glob_matches(pattern.as_bytes(), path.as_bytes()));
    }
}
