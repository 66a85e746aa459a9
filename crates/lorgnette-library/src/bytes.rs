//! Paths as bytes, and text for people.

use std::path::{Path, PathBuf};

use rusqlite::Row;
use rusqlite::types::FromSqlError;

/// Returns the bytes of a path as the file system stores them.
pub(crate) fn from_path(path: &Path) -> &[u8] {
    path.as_os_str().as_encoded_bytes()
}

/// The path of these bytes.
#[cfg(unix)]
pub(crate) fn to_path(bytes: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStrExt as _;
    PathBuf::from(std::ffi::OsStr::from_bytes(bytes))
}

/// The path of these bytes.
#[cfg(not(unix))]
pub(crate) fn to_path(bytes: &[u8]) -> PathBuf {
    PathBuf::from(String::from_utf8_lossy(bytes).into_owned())
}

/// Returns the path in this column of a row.
///
/// # Errors
/// If it is none: of another type, or with a zero byte.
pub(crate) fn path_at(row: &Row<'_>, column: usize) -> rusqlite::Result<PathBuf> {
    stored_path(row.get_ref(column)?.as_blob()?)
}

/// Returns the path of bytes from a library.
///
/// # Errors
/// If there is a zero byte among them.
pub(crate) fn stored_path(bytes: &[u8]) -> rusqlite::Result<PathBuf> {
    if bytes.contains(&0) {
        return Err(FromSqlError::Other("a path has a zero byte".into()).into());
    }
    Ok(to_path(bytes))
}

/// Returns the half-open range of bytes in which the paths within a folder sort.
pub(crate) fn prefix_range(folder: &Path) -> (Vec<u8>, Vec<u8>) {
    let mut from = from_path(folder).to_vec();
    // The root already ends in a separator.
    if from.last() == Some(&SEPARATOR) {
        from.pop();
    }
    let mut to = from.clone();
    from.push(SEPARATOR);
    to.push(SEPARATOR + 1);
    (from, to)
}

const SEPARATOR: u8 = std::path::MAIN_SEPARATOR as u8;

/// Escapes control characters, which could move the cursor of a terminal.
#[must_use]
pub fn printable(text: &str) -> String {
    let letter = |letter: char| match letter.is_control() {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    };
    text.chars().map(letter).collect()
}

/// Formats a number in at most six letters, such as `4.2 M`.
#[must_use]
pub fn short_number(number: u64) -> String {
    match number as f64 {
        number if number >= 1e9 => format!("{:.1} G", number / 1e9),
        number if number >= 1e8 => format!("{:.0} M", number / 1e6),
        number if number >= 1e6 => format!("{:.1} M", number / 1e6),
        number if number >= 1e3 => format!("{:.1} k", number / 1e3),
        number => format!("{number}"),
    }
}

/// Formats a number of bytes, such as `2.1 MB`.
#[must_use]
pub fn short_size(bytes: u64) -> String {
    if bytes < 1000 { format!("{bytes} B") } else { format!("{}B", short_number(bytes)) }
}

/// Percent-encodes a path for a URI.
pub(crate) fn percent_encoded(path: &Path) -> String {
    let byte = |&byte: &u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        _ => format!("%{byte:02X}"),
    };
    path.as_os_str().as_encoded_bytes().iter().map(byte).collect()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{from_path, prefix_range, printable, short_number, short_size};

    #[test]
    fn paths_in_a_folder_are_within_its_prefix_range() {
        let inside = |folder: &str, path: &str| {
            let (from, to) = prefix_range(Path::new(folder));
            (&from[..]..&to[..]).contains(&from_path(Path::new(path)))
        };
        assert!(
            inside("/a", "/a/b")
                && inside("/a", "/a/b/c")
                && inside("/", "/a")
                && inside("/a", "/a/\u{10ffff}")
        );
        assert!(
            !inside("/a", "/a")
                && !inside("/a", "/a.jpg")
                && !inside("/a", "/ab/c")
                && !inside("/a", "/b")
        );
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [569_000_000, 4_231_976, 15_470_000_000].map(short_number),
            ["569 M", "4.2 M", "15.5 G"]
        );
        assert_eq!(
            [513_324_920, 900, 1_999, 2_149_999].map(short_size),
            ["513 MB", "900 B", "2.0 kB", "2.1 MB"]
        );
    }

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(printable("a\u{1b}[2J\nb é"), "a\\u{1b}[2J\\nb é");
    }
}
