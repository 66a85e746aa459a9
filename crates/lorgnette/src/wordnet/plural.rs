//! Singulars of plural names.

use std::sync::LazyLock;

/// Irregular plurals that occur in names, with their singulars (`oracle/make_hierarchy.py`).
const IRREGULAR: &str = include_str!("plurals.txt");
/// The lines of [`IRREGULAR`] in the order of the plurals; those of one plural as they are there.
static SINGULARS: LazyLock<Vec<(&str, &str)>> = LazyLock::new(|| {
    let mut singulars: Vec<_> =
        IRREGULAR.lines().filter_map(|line| line.split_once('\t')).collect();
    singulars.sort_by_key(|&(plural, _)| plural);
    singulars
});
/// Suffixes of plurals and of their singulars: the noun rules of WordNet's morphology
/// (morphy(7WN)), and -ves.
const PLURAL_SUFFIXES: [(&str, &str); 10] = [
    ("ses", "s"),
    ("xes", "x"),
    ("zes", "z"),
    ("ches", "ch"),
    ("shes", "sh"),
    ("men", "man"),
    ("ies", "y"),
    ("ves", "f"),
    ("ves", "fe"),
    ("s", ""),
];

/// Possible singulars of a name, likeliest first; only the last word changes.
#[must_use]
pub fn singulars(name: &str) -> Vec<String> {
    let name = name.to_lowercase();
    let start = name.rfind([' ', '-']).map_or(0, |space| space + 1);
    let (before, word) = name.split_at(start);
    let first = SINGULARS.partition_point(|&(plural, _)| plural < word);
    let irregular = SINGULARS[first..]
        .iter()
        .take_while(|&&(plural, _)| plural == word)
        .map(|&(_, singular)| singular.to_owned());
    let regular = PLURAL_SUFFIXES
        .iter()
        .filter_map(|(plural, singular)| Some(format!("{}{singular}", word.strip_suffix(plural)?)));
    irregular.chain(regular).map(|singular| format!("{before}{singular}")).collect()
}

#[cfg(test)]
mod tests {
    use super::singulars;

    #[test]
    fn the_last_word_is_made_singular() {
        assert_eq!(singulars("school buses")[0], "school bus");
        assert_eq!(singulars("geese")[0], "goose");
        assert!(singulars("Giraffes").contains(&"giraffe".into()));
        assert!(singulars("dog").is_empty());
    }
}
