//! Names like one that does not exist, for error messages.

use std::mem;

/// Returns up to three of `names` that are most like `wanted`, best first.
pub(crate) fn nearest<'a>(wanted: &str, names: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    const MAX_SHOWN: usize = 3;
    let mut scored: Vec<_> =
        names.into_iter().map(|name| (name_distance(wanted, name), name)).collect();
    scored.sort();
    scored.into_iter().take(MAX_SHOWN).map(|(_, name)| name.to_owned()).collect()
}

/// A distance between names. One that contains the other comes first (`false`), then by edit
/// distance of the whole names or of their last scopes.
fn name_distance(wanted: &str, name: &str) -> (bool, usize) {
    let (wanted, name) = (wanted.to_lowercase(), name.to_lowercase());
    if name.contains(&wanted) || wanted.contains(&name) {
        return (false, wanted.len().abs_diff(name.len()));
    }
    let last_scopes = edit_distance(last_scope(&wanted), last_scope(&name));
    (true, edit_distance(&wanted, &name).min(1 + last_scopes))
}

fn last_scope(name: &str) -> &str {
    name.rsplit('/').next().unwrap_or_default()
}

/// Returns the number of characters to insert, remove, change or swap with their neighbour that
/// turns one word into the other: the Damerau-Levenshtein distance (optimal string alignment).
///
/// Only the first 200 characters are compared.
pub fn edit_distance(a: &str, b: &str) -> usize {
    const MAX_CHARS: usize = 200;
    let a: Vec<char> = a.chars().take(MAX_CHARS).collect();
    let b: Vec<char> = b.chars().take(MAX_CHARS).collect();
    // Rows of the table: i - 2, i - 1 and i.
    let mut before = vec![0; b.len() + 1];
    let mut above: Vec<usize> = (0..=b.len()).collect();
    let mut row = vec![0; b.len() + 1];
    for i in 1..=a.len() {
        row[0] = i;
        for j in 1..=b.len() {
            let change = above[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = change.min(above[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        mem::swap(&mut before, &mut above);
        mem::swap(&mut above, &mut row);
    }
    above[b.len()]
}

#[cfg(test)]
mod tests {
    use super::{edit_distance, nearest};

    #[test]
    fn the_name_that_was_meant_comes_first() {
        let names = [
            "input",
            "MobilenetV1/Conv2d_11_pointwise/Relu6",
            "MobilenetV1/Conv2d_1_pointwise/weights",
            "MobilenetV1/Logits",
        ];
        assert_eq!(nearest("Conv2d_11", names)[0], names[1]);
        assert_eq!(nearest("MobilenetV1/Logit", names)[0], names[3]);
        assert_eq!(nearest("inptu", names)[0], names[0]);
    }

    #[test]
    fn distances_are_those_of_the_literature() {
        let cases = [
            ("", "", 0),
            ("", "abc", 3),
            ("kitten", "sitting", 3),
            ("ca", "abc", 3),
            ("inptu", "input", 1),
            ("größe", "grösse", 2),
        ];
        for (a, b, distance) in cases {
            assert_eq!(edit_distance(a, b), distance, "{a} {b}");
            assert_eq!(edit_distance(b, a), distance, "{b} {a}");
        }
    }
}
