//! Glob patterns of paths.

/// Returns whether a path matches a pattern. Without `*` and `?` the pattern is a substring; with
/// them it matches from the beginning of the path, or of the name of a folder or file, to the
/// path's end. `*` matches any characters, `/` included, and `?` any one. ASCII case is ignored.
pub(super) fn glob_matches(pattern: &[u8], path: &[u8]) -> bool {
    let (pattern, path) = (pattern.to_ascii_lowercase(), path.to_ascii_lowercase());
    if !pattern.iter().any(|byte| matches!(byte, b'*' | b'?')) {
        return pattern.is_empty() || path.windows(pattern.len()).any(|part| part == pattern);
    }
    let starts = path.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at + 1);
    std::iter::once(0).chain(starts).any(|start| glob_matches_whole(&pattern, &path[start..]))
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
    use super::glob_matches;

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
    fn many_stars_take_no_time() {
        let (pattern, path) = ("*a".repeat(200) + "b", "a".repeat(4000));
        assert!(!glob_matches(pattern.as_bytes(), path.as_bytes()));
    }
}
