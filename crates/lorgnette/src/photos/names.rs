//! Names of files as text: composed and decomposed letters, and names that are no text.

use std::borrow::Cow;
use std::fs;
use std::path::{Component, Path, PathBuf};

use unicode_normalization::{IsNormalized, UnicodeNormalization as _, is_nfc_quick};

/// Returns a text with composed letters (Unicode's form NFC). macOS and some archives write names
/// decomposed (NFD): these are other bytes, but the same name to people.
#[must_use]
pub fn nfc(text: &str) -> Cow<'_, str> {
    match text.is_ascii() || is_nfc_quick(text.chars()) == IsNormalized::Yes {
        true => Cow::Borrowed(text),
        false => Cow::Owned(text.nfc().collect()),
    }
}

/// Returns the path of the file that a path names: the path itself if it exists; else one whose
/// names differ from it only in whether letters are composed. `None` if there is none.
#[must_use]
pub fn existing_path(path: &Path) -> Option<PathBuf> {
    if path.symlink_metadata().is_ok() {
        return Some(path.to_owned());
    }
    if path.to_str().is_none_or(str::is_ascii) {
        return None;
    }
    let mut found = PathBuf::new();
    for component in path.components() {
        let next = found.join(component);
        found = match component {
            Component::Normal(name) if next.symlink_metadata().is_err() => {
                let wanted = nfc(name.to_str()?);
                let folder = if found.as_os_str().is_empty() { Path::new(".") } else { &found };
                let names = fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name());
                let is_wanted = |name: &std::ffi::OsString| {
                    name.to_str().is_some_and(|name| nfc(name) == wanted)
                };
                found.join(names.into_iter().find(is_wanted)?)
            }
            _ => next,
        };
    }
    Some(found)
}

/// Returns the bytes of a path that is no UTF-8 text, as hexadecimal digits; `None` for others.
/// Answers have them beside the path, whose text is only nearly right.
#[must_use]
pub fn path_bytes(path: &Path) -> Option<String> {
    match path.to_str() {
        Some(_) => None,
        None => {
            let bytes = path.as_os_str().as_encoded_bytes();
            Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
        }
    }
}

/// Returns a path as text. Bytes that are no UTF-8 are shown as in `caf\xe9.jpg`, so that two such
/// paths do not look the same.
#[must_use]
pub fn path_text(path: &Path) -> String {
    let mut text = String::new();
    for chunk in path.as_os_str().as_encoded_bytes().utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02x}"));
        }
    }
    text
}

/// Returns the path of bytes as [`path_bytes`] gives them; `None` if they are no hexadecimal
/// digits, or no path of this system.
#[must_use]
pub fn path_from_bytes(digits: &str) -> Option<PathBuf> {
    let (pairs, rest) = digits.as_bytes().as_chunks::<2>();
    let digit = |digit: u8| char::from(digit).to_digit(16);
    let byte = |&[high, low]: &[u8; 2]| Some((16 * digit(high)? + digit(low)?) as u8);
    let bytes: Vec<u8> = pairs.iter().map(byte).collect::<Option<_>>()?;
    path_of(bytes).filter(|_| rest.is_empty() && !digits.is_empty())
}

#[cfg(unix)]
#[expect(clippy::unnecessary_wraps, reason = "fails on other systems")]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    use std::os::unix::ffi::OsStringExt as _;
    Some(std::ffi::OsString::from_vec(bytes).into())
}

#[cfg(not(unix))]
fn path_of(bytes: Vec<u8>) -> Option<PathBuf> {
    String::from_utf8(bytes).ok().map(PathBuf::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_composed() {
        assert_eq!(nfc("cafe\u{301}"), "caf\u{e9}");
        assert!(matches!(nfc("caf\u{e9}"), Cow::Borrowed(_)));
    }

    // macOS's file systems find both spellings themselves.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_path_is_found_in_either_spelling() {
        let folder = tempfile::tempdir().unwrap();
        let decomposed = folder.path().join("e\u{301}te\u{301}/cafe\u{301}.jpg");
        fs::create_dir_all(decomposed.parent().unwrap()).unwrap();
        fs::write(&decomposed, "").unwrap();
        let composed = folder.path().join("\u{e9}t\u{e9}/caf\u{e9}.jpg");
        assert_eq!(existing_path(&composed), Some(decomposed.clone()));
        assert_eq!(existing_path(&decomposed), Some(decomposed));
        assert_eq!(existing_path(&folder.path().join("\u{e9}t\u{e9}/th\u{e9}.jpg")), None);
        assert_eq!(existing_path(&folder.path().join("tea.jpg")), None);
    }

    #[cfg(unix)]
    #[test]
    fn bytes_are_given_where_text_is_not_all() {
        use std::os::unix::ffi::OsStrExt as _;
        let name = std::ffi::OsStr::from_bytes(b"a\xff.jpg");
        assert_eq!(path_bytes(Path::new(name)).as_deref(), Some("61ff2e6a7067"));
        assert_eq!(path_from_bytes("61ff2e6a7067"), Some(PathBuf::from(name)));
        assert_eq!(
            [path_from_bytes(""), path_from_bytes("6"), path_from_bytes("zz")],
            [None, None, None]
        );
        assert_eq!(path_bytes(Path::new("\u{e9}.jpg")), None);
    }
}
