//! Validates the names of files in archives.

use std::path::PathBuf;

/// The maximum length of a name; published checkpoints have up to 70 bytes.
const MAX_NAME_BYTES: usize = 512;

/// Returns the relative path of a file. Refuses names that would leave the folder or that some
/// system interprets: absolute paths, `..`, drives, backslashes, control characters.
pub(super) fn path(name: &[u8]) -> Result<PathBuf, String> {
    let refused =
        |why: &str| format!("the archive has a file called '{}', {why}: refused", truncated(name));
    let text = str::from_utf8(name).map_err(|_| refused("which is not UTF-8"))?;
    if text.len() > MAX_NAME_BYTES {
        return Err(refused("which is too long a name"));
    }
    if text.starts_with('/') || text.contains(['\\', ':']) || text.chars().any(char::is_control) {
        return Err(refused("which is no name within a folder"));
    }
    let parts: Vec<&str> =
        text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.is_empty() || parts.contains(&"..") {
        return Err(refused("which is no name within a folder"));
    }
    Ok(parts.iter().collect())
}

fn truncated(name: &[u8]) -> String {
    name.escape_ascii().to_string().chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_within_the_folder() {
        assert_eq!(path(b"./a//b/./c.ckpt").unwrap(), PathBuf::from("a/b/c.ckpt"));
        let long = [b'a'; MAX_NAME_BYTES + 1];
        let names: [&[u8]; 10] = [
            b"/etc/passwd",
            b"../a",
            b"a/../../b",
            b"a/..",
            b"c:\\a",
            b"a\\b",
            b"a\nb",
            b"",
            b"a\xff",
            &long,
        ];
        for name in names {
            assert!(path(name).unwrap_err().ends_with("refused"), "{name:?}");
        }
    }
}
