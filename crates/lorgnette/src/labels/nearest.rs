//! Suggestions of similar names.

use lorgnette_net::names::edit_distance;

use super::Labels;
use crate::wordnet;

/// Maximum number of suggestions.
const MAX_SUGGESTIONS: usize = 5;

/// The names nearest to a query, at most five, nearest first; ties in their order. The query's case
/// is ignored.
#[must_use]
pub fn nearest_names<'a>(names: impl IntoIterator<Item = &'a str>, query: &str) -> Vec<String> {
    nearest_among(names.into_iter().map(std::iter::once), &query.trim().to_lowercase())
}

/// The names nearest to a lower-case query: the nearest of each label, and all hypernyms.
pub(super) fn nearest(labels: &Labels, query: &str) -> Vec<String> {
    let hypernyms = wordnet::hypernym_names(labels.iter().filter_map(|label| label.synset));
    let labels = labels.iter().map(|label| label.name);
    nearest_among(labels.chain(hypernyms).map(|names| names.split(',').map(str::trim)), query)
}

fn nearest_among<'a>(
    name_lists: impl Iterator<Item = impl Iterator<Item = &'a str>>,
    query: &str,
) -> Vec<String> {
    let mut ranked: Vec<(usize, usize, &str)> = Vec::new();
    for (index, names) in name_lists.enumerate() {
        ranked.extend(
            names.filter_map(|name| Some((rank(&name.to_lowercase(), query)?, index, name))).min(),
        );
    }
    ranked.sort_unstable();
    let mut names: Vec<String> = Vec::new();
    for (_, _, name) in ranked {
        if names.len() < MAX_SUGGESTIONS && !names.iter().any(|known| known == name) {
            names.push(name.into());
        }
    }
    names
}

/// Distance class of a name: contains the query as a word; within a few edits; contains it
/// anywhere. `None` if too far.
fn rank(name: &str, query: &str) -> Option<usize> {
    if query.is_empty() {
        return None;
    }
    let max_distance = query.chars().count() / 3;
    if name.split([' ', '-']).any(|word| word == query) {
        return Some(0);
    }
    let distance = edit_distance(name, query);
    if distance <= max_distance.max(1) {
        return Some(distance);
    }
    (query.len() > 2 && name.contains(query)).then_some(max_distance + 2)
}
