//! Pages of the program's own file that hold a model. Once its weights are packed, they are only in
//! the way: the system brings them back, from its cache, should they be read again.

#![allow(unsafe_code)]

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// The addresses of such models. What is `'static` is never unmapped, so they stay true.
static MODELS: Mutex<Vec<Range<usize>>> = Mutex::new(Vec::new());
/// The assumed maximum page size; partial pages are kept.
const PAGE: usize = 64 << 10;

/// Takes note of a model that is part of the program.
pub(crate) fn register(model: &'static [u8]) {
    let range = addresses(model);
    let mut models = MODELS.lock().unwrap_or_else(PoisonError::into_inner);
    if !models.contains(&range) && are_of_a_file(&range) {
        models.push(range);
    }
}

/// Releases the memory of the whole pages in `part`, if it is of a model that was registered.
pub(crate) fn release(part: &[u8]) {
    let range = addresses(part);
    let models = MODELS.lock().unwrap_or_else(PoisonError::into_inner);
    let is_of_model = models.iter().any(|all| all.start <= range.start && range.end <= all.end);
    let (start, end) = (range.start.next_multiple_of(PAGE), range.end / PAGE * PAGE);
    if is_of_model && start < end {
        drop_pages(start, end - start);
    }
}

fn addresses(bytes: &[u8]) -> Range<usize> {
    let start = bytes.as_ptr().addr();
    start..start + bytes.len()
}

/// True if the addresses are all in one mapping of a file that this process cannot write: a program
/// that unpacked itself has them in memory that would be lost.
#[cfg(target_os = "linux")]
fn are_of_a_file(range: &Range<usize>) -> bool {
    let Ok(maps) = std::fs::read_to_string("/proc/self/maps") else { return false };
    maps.lines().any(|line| is_file_mapping(line, range).unwrap_or(false))
}

/// Reads a line such as `55d0c000-55d0d000 r--p 00000000 fe:00 1234 /usr/bin/program`.
#[cfg(target_os = "linux")]
fn is_file_mapping(line: &str, range: &Range<usize>) -> Option<bool> {
    let mut fields = line.split_ascii_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let access = fields.next()?;
    let inode: u64 = fields.nth(2)?.parse().ok()?;
    let [start, end] = [start, end].map(|address| usize::from_str_radix(address, 16));
    let covers = start.ok()? <= range.start && range.end <= end.ok()?;
    Some(covers && !access.contains('w') && access.ends_with('p') && inode != 0)
}

#[cfg(target_os = "linux")]
fn drop_pages(start: usize, len: usize) {
    let start = std::ptr::with_exposed_provenance_mut(start);
    // SAFETY: the pages are of a file and cannot be written, so those that are dropped are restored
    // unchanged. A refusal leaves them in place.
    unsafe { libc::madvise(start, len, libc::MADV_DONTNEED) };
}

/// Other systems keep the pages.
#[cfg(not(target_os = "linux"))]
fn are_of_a_file(_range: &Range<usize>) -> bool {
    false
}

#[cfg(not(target_os = "linux"))]
fn drop_pages(_start: usize, _len: usize) {}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn only_read_only_mappings_of_files_are_released() {
        let range = 0x2000..0x3000;
        let is = |line: &str| is_file_mapping(line, &range);
        assert_eq!(is("1000-4000 r--p 00000000 fe:00 1234    /usr/bin/a program"), Some(true));
        assert_eq!(is("1000-3000 r-xp 00000000 fe:00 1234"), Some(true));
        assert_eq!(is("2800-4000 r--p 00000000 fe:00 1234 /usr/bin/program"), Some(false));
        assert_eq!(is("1000-4000 rw-p 00000000 fe:00 1234 /usr/bin/program"), Some(false));
        assert_eq!(is("1000-4000 r--s 00000000 fe:00 1234 /usr/bin/program"), Some(false));
        assert_eq!(is("1000-4000 r--p 00000000 00:00 0"), Some(false));
        assert_eq!(is("1000-4000"), None);
    }

    #[test]
    fn released_pages_are_read_again() {
        static MODEL: [u8; 5 * PAGE] = [7; 5 * PAGE];
        register(&MODEL);
        assert!(are_of_a_file(&addresses(&MODEL)));
        assert!(MODEL.iter().all(|&byte| byte == 7));
        release(&MODEL);
        release(&MODEL[3..]);
        assert!(MODEL.iter().all(|&byte| byte == 7));
        // Memory of nobody's file stays as it is.
        let own = vec![8u8; 5 * PAGE];
        release(&own);
        assert!(own.iter().all(|&byte| byte == 8) && !are_of_a_file(&addresses(&own)));
    }
}
