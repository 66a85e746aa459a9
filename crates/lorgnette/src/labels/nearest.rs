//! Names a user may have meant.

use lorgnette_net::names::edit_distance;

use super::Labels;
use crate::wordnet;

/// Most suggestions given.
const SUGGESTIONS: usize = 5;

/// The names nearest to a query, at most five, the nearest first and equally near ones in their
/// order. Capitals of the query do not matter.
#[must_use]
pub fn nearest_names<'a>(names: impl IntoIterator<Item = &'a str>, query: &str) -> Vec<String> {
    nearest_of(names.into_iter().map(std::iter::once), &query.trim().to_lowercase())
}

/// The names nearest to a query in small letters: of each label only the nearest, and of all that
/// they are kinds of.
pub(super) fn nearest(labels: &Labels, query: &str) -> Vec<String> {
    let above = wordnet::names_above(labels.iter().filter_map(|label| label.synset));
    let labels = labels.iter().map(|label| label.name);
    nearest_of(labels.chain(above).map(|names| names.split(',').map(str::trim)), query)
}

fn nearest_of<'a>(
    things: impl Iterator<Item = impl Iterator<Item = &'a str>>,
    query: &str,
) -> Vec<String> {
    let mut ranked: Vec<(usize, usize, &str)> = Vec::new();
    for (index, names) in things.enumerate() {
        ranked.extend(
            names.filter_map(|name| Some((rank(&name.to_lowercase(), query)?, index, name))).min(),
        );
    }
    ranked.sort_unstable();
    let mut names: Vec<String> = Vec::new();
    for (_, _, name) in ranked {
        if names.len() < SUGGESTIONS && !names.iter().any(|known| known == name) {
            names.push(name.into());
        }
    }
    names
}

/// How far a name is from a query: has it among its words; is a few letters from it; has it
/// somewhere. `None`: too far.
fn rank(name: &str, query: &str) -> Option<usize> {
    if query.is_empty() {
        return None;
    }
    let far = query.chars().count() / 3;
    if name.split([' ', '-']).any(|word| word == query) {
        return Some(0);
    }
    let apart = edit_distance(name, query);
    if apart <= far.max(1) {
        return Some(apart);
    }
    (query.len() > 2 && name.contains(query)).then_some(far + 2)
}
