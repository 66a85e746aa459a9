//! Queries: parsed, displayed, parsed again, and their names resolved.

use lorgnette::Labels;
use lorgnette_library::hierarchy::{Class, Vocabulary};
use lorgnette_library::query::Query;

use super::{Input, Target};
use crate::mutate::scramble;
use crate::random::Random;

/// Valid queries.
const QUERIES: [&str; 9] = [
    "give me all images where the school bus is in the middle AND a flower pot in the top left \
     corner",
    "dog left of cat in the bottom right quarter OR (beagle covering > 20% AND NOT tabby)",
    "count of birds in the left half >= 2 and path:\"my photos/*.jpg\" date:>2023-05",
    "like 'beach.jpg' similarity > 80% but without people",
    "\"black and gold garden spider\" probability ≥ .5 inside “say \"\"x\"\"”",
    "n02084071 that is on the left of an n04524313 overlapping crane date:2019..2020-06-30",
    "a Black and gold garden spider with count at most 3",
    "not not ((((dog))))",
    "photos",
];
/// Words to insert anywhere.
const WORDS: [&str; 30] = [
    "and", "or", "not", "in", "the", "middle", "top", "left", "of", "right", "half", "corner",
    "covering", "count", "like", "path:", "date:", "(", ")", "\"", "'", ">=", "20%", "2", "is",
    "inside", "photos", "where", "..", "“",
];

/// The target of queries.
pub(super) struct Queries {
    vocabulary: Vocabulary,
    phrases: Vec<String>,
}

impl Queries {
    pub(super) fn new() -> Self {
        let labels = Labels::imagenet(1001).expect("there are such labels");
        let vocabulary = Vocabulary::new(
            labels.iter().map(|label| Class::from_label(label.index as i64, &label)),
        );
        Self { phrases: vocabulary.phrases(), vocabulary }
    }
}

impl Target for Queries {
    fn input(&self, random: &mut Random) -> Input {
        let (origin, other) = (random.below(QUERIES.len()), *random.pick(&QUERIES));
        let mut bytes = QUERIES[origin].as_bytes().to_vec();
        for _ in 0..=random.below(4) {
            if random.one_in(3) {
                scramble(random, &mut bytes, other.as_bytes());
            } else {
                shuffle(random, &mut bytes);
            }
        }
        Input { bytes, origin }
    }

    fn run(&self, input: &Input, _: &mut Random) -> Result<&'static str, String> {
        let text = String::from_utf8_lossy(&input.bytes);
        let query = match Query::parse_with(&text, &self.phrases) {
            Ok(query) => query,
            Err(error) => return must_point(&error.to_string()).map(|()| "refused"),
        };
        let shown = query.to_string();
        match Query::parse(&shown) {
            Ok(again) if again == query => {}
            Ok(again) => return Err(format!("a query became another\n{text}\n{shown}\n{again}")),
            Err(error) => {
                return Err(format!(
                    "a query is refused when it is shown\n{text}\n{shown}\n{error}"
                ));
            }
        }
        match self.vocabulary.check(&query, &text) {
            Ok(()) => Ok("known"),
            Err(error) => must_point(&error.to_string()).map(|()| "unknown name"),
        }
    }

    /// A query's tree is larger than its text, and so are the tables of distances to every name.
    fn bound(&self, length: usize) -> usize {
        (4 << 20) + 1024 * length
    }

    fn share(&self) -> f64 {
        0.05
    }
}

/// Inserts a keyword between two words, or removes a word.
fn shuffle(random: &mut Random, bytes: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut words: Vec<&str> = text.split(' ').collect();
    let at = random.below(words.len());
    if random.one_in(3) {
        words.remove(at);
    } else {
        words.insert(at, *random.pick(&WORDS));
    }
    *bytes = words.join(" ").into_bytes();
}

/// Checks that an error shows its position.
fn must_point(message: &str) -> Result<(), String> {
    if message.lines().count() == 3 && message.ends_with('^') {
        Ok(())
    } else {
        Err(format!("no caret: {message}"))
    }
}
