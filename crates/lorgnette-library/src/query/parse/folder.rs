//! Folders in words: "in the folder london", "from my holidays folder".

use super::super::scan::Scanner;

/// Returns the folder that is named next, with the scanner after it.
pub(super) fn ahead<'a>(scanner: &Scanner<'a>) -> Option<(String, Scanner<'a>)> {
    const FOLDERS: [&str; 3] = ["folder", "directory", "album"];
    let mut ahead = *scanner;
    if !ahead.take_one(&["in", "from", "inside"]) {
        return None;
    }
    ahead.take_one(&["the", "a", "my", "our"]);
    if ahead.take_one(&FOLDERS) {
        ahead.take_one(&["called", "named"]);
        let (name, _) = ahead.value_before(&[',']).ok()?;
        return (!name.is_empty()).then_some((name, ahead));
    }
    let (name, _) = ahead.value_before(&[',']).ok()?;
    (!name.is_empty() && ahead.take_one(&FOLDERS)).then_some((name, ahead))
}
