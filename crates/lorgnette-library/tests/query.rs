//! The query language: what people write, what it means, and where they are told that it is wrong.

use lorgnette::Labels;
use lorgnette_library::hierarchy::{Class, Vocabulary};
use lorgnette_library::query::{
    Comparator, Comparison, Condition, Constraint, Count, DateRange, Day, Like, Name, Object,
    Place, PlaceBox, Query, Related, Relation, Side, Third,
};
use proptest::prelude::*;

/// What a query is in its shortest words.
fn plain(text: &str) -> String {
    Query::parse(text).unwrap_or_else(|error| panic!("{error}")).to_string()
}

#[test]
fn the_wish_of_the_second_tutorial() {
    let wish = "give me all images where the school bus is in the middle AND a flower pot in the \
                top left corner";
    let meant = "school bus in middle AND flower pot in top left";
    assert_eq!(plain(wish), meant);
    assert_eq!(plain("school bus in the middle AND flower pot in the top left corner"), meant);
    assert_eq!(plain("\"school bus\" in middle and 'flower pot' in upper-left"), meant);
    assert_eq!(
        plain("Show me photos with a school bus at the center and with probability > 0.6"),
        "school bus in middle probability > 0.6"
    );
}

#[test]
fn many_ways_lead_to_one_query() {
    for (text, meant) in [
        ("dog", "dog"),
        ("photos of a dog", "dog"),
        ("find all pictures that contain dogs", "dogs"),
        ("there is a dog", "dog"),
        ("images where there are dogs and no cats", "dogs AND NOT cats"),
        ("pot, flowerpot", "pot AND flowerpot"),
        ("\"pot, flowerpot\"", "\"pot, flowerpot\""),
        ("jack-o'-lantern", "jack-o'-lantern"),
        ("“sea lion” in the bottom right corner of the photo", "sea lion in bottom right"),
        ("dog in the left half", "dog in left half"),
        ("dog in a corner", "dog in corner"),
        ("dog in any corner", "dog in corner"),
        ("dog anywhere", "dog anywhere"),
        ("dog on the left", "dog in left column"),
        ("dog on the left of the photo", "dog in left column"),
        ("dog on the left of a cat", "dog left of cat"),
        ("dog at the top", "dog in top row"),
        ("dog in the middle row", "dog in middle row"),
        ("dog in the bottom right quarter", "dog in bottom right quarter"),
        ("dog to the left of the cat", "dog left of cat"),
        ("dog in the middle left of cat", "dog in middle left of cat"),
        ("dog in the middle left", "dog in middle left"),
        ("dog that is above a cat in the top", "dog above cat in top row"),
        ("dog left of cat above sofa", "dog left of cat above sofa"),
        ("dog in the middle and above a cat", "dog in middle above cat"),
        ("dog in a box", "dog inside box"),
        ("dog in box(0, 0.5, 25%, 1)", "dog in box(0,0.5,0.25,1)"),
        ("dog in the box(0.1 0.2 0.3 0.4)", "dog in box(0.1,0.2,0.3,0.4)"),
        ("dog inside a box and cat overlapping it", "dog inside box AND cat overlapping it"),
        ("dog covering > 20%", "dog covering > 0.2"),
        ("dog covers at least 20 percent", "dog covering >= 0.2"),
        ("dog covering 20%", "dog covering >= 0.2"),
        ("dog probability≥.5", "dog probability >= 0.5"),
        ("dog count >= 2", "dog count >= 2"),
        ("faces >= 3", "faces count >= 3"),
        ("faces>2 in the left half", "faces in left half count > 2"),
        ("no faces", "NOT faces"),
        ("dogs = 2 left of cat", "dogs count = 2 left of cat"),
        ("count of dogs in the left half >= 2 and cat", "dogs in left half count >= 2 AND cat"),
        ("dog count 2 left of cat", "dog count = 2 left of cat"),
        ("dog or cat and bird", "dog OR (cat AND bird)"),
        ("(dog or cat) and bird", "(dog OR cat) AND bird"),
        ("dog not cat", "dog AND NOT cat"),
        ("NOT NOT dog", "NOT NOT dog"),
        ("not (dog or cat)", "NOT (dog OR cat)"),
        ("\"dog\" \"cat\" date:2024-05-17", "dog AND cat AND date:2024-05-17"),
        ("date:>2023 path:\"my photos\"", "date:2024-01-01.. AND path:\"my photos\""),
        ("(path:2024/*.jpg)", "path:2024/*.jpg"),
        ("like beach.jpg > 70% AND dog", "like beach.jpg >= 0.7 AND dog"),
        ("dog LIKE 'a b.jpg'", "dog AND like \"a b.jpg\""),
        ("photos", "\"photos\""),
        ("\"in\"", "\"in\""),
        ("\"say \"\"x\"\"\"", "\"say \"\"x\"\"\""),
    ] {
        assert_eq!(plain(text), meant, "{text}");
        assert_eq!(plain(meant), meant);
    }
}

/// Sentences as people type them.
const SENTENCES: [(&str, &str); 79] = [
    ("show me dogs", "dogs"),
    ("Show me all my dogs!", "dogs"),
    ("a photo of a dog", "dog"),
    ("please show me some pictures of dogs", "dogs"),
    ("can you find photos with a cat?", "cat"),
    ("I'm looking for a picture of my cat", "cat"),
    ("i want to see birds", "birds"),
    ("do I have any photos of zebras?", "zebras"),
    ("dog photos", "dog"),
    ("dog pictures from 2022", "dog AND date:2022-01-01..2022-12-31"),
    ("two zebras", "zebras count = 2"),
    ("2 zebras", "zebras count = 2"),
    ("a couple of zebras", "zebras count = 2"),
    ("more than one zebra", "zebra count > 1"),
    ("at least three birds", "birds count >= 3"),
    ("two or more dogs", "dogs count >= 2"),
    ("several dogs", "dogs count >= 3"),
    ("fewer than 4 dogs", "dogs count < 4"),
    ("exactly one dog in the middle", "dog in middle count = 1"),
    ("two dogs and three cats", "dogs count = 2 AND cats count = 3"),
    ("vehicles, but not cars", "vehicles AND NOT cars"),
    ("vehicles except cars", "vehicles AND NOT cars"),
    ("vehicles that are not cars", "vehicles AND NOT cars"),
    ("dogs, no cats", "dogs AND NOT cats"),
    ("dogs, cats and birds", "dogs AND cats AND birds"),
    ("dogs, cats or birds", "dogs OR cats OR birds"),
    ("dogs, cats, or birds", "dogs OR cats OR birds"),
    ("dog, cat", "dog AND cat"),
    ("a dog, in the middle", "dog in middle"),
    ("dog next to a cat", "dog near cat"),
    ("dog near a cat", "dog near cat"),
    ("dog beside the cat", "dog near cat"),
    ("a dog by a tree", "dog near tree"),
    ("dog with a cat", "dog AND cat"),
    ("dog together with a cat", "dog AND cat"),
    ("dog with no cat", "dog AND NOT cat"),
    ("cat on a sofa", "cat overlapping sofa"),
    ("dog in a car", "dog inside car"),
    ("bee on a flower", "bee overlapping flower"),
    ("dog in the foreground", "dog in foreground"),
    ("mountain in the background", "mountain in background"),
    ("big dog", "dog covering >= 0.25"),
    ("a tiny bird on the left", "bird covering < 0.01 in left column"),
    ("two small dogs", "dogs covering < 0.05 count = 2"),
    ("photos taken in June 2024", "date:2024-06-01..2024-06-30"),
    ("photos I took in June 2024", "date:2024-06-01..2024-06-30"),
    ("photos taken in June 2024 of dogs", "date:2024-06-01..2024-06-30 AND dogs"),
    ("dogs in June 2024", "dogs AND date:2024-06-01..2024-06-30"),
    ("dogs June 2024", "dogs AND date:2024-06-01..2024-06-30"),
    ("from summer 2022", "date:2022-06-01..2022-08-31"),
    ("winter 2023", "date:2023-12-01..2024-02-29"),
    ("dogs on 17 May 2024", "dogs AND date:2024-05-17"),
    ("dogs on May 17th, 2024", "dogs AND date:2024-05-17"),
    ("birds since 2020", "birds AND date:2020-01-01.."),
    ("birds before June 2020", "birds AND date:..2020-05-31"),
    ("cats between 2019 and 2021", "cats AND date:2019-01-01..2021-12-31"),
    ("cats from November to February 2024", "cats AND date:2023-11-01..2024-02-29"),
    ("dogs in the middle in 2024", "dogs in middle AND date:2024-01-01..2024-12-31"),
    ("path:x dog", "path:x AND dog"),
    ("(dog or cat) bird", "(dog OR cat) AND bird"),
    ("pictures from 2022 showing dogs", "date:2022-01-01..2022-12-31 AND dogs"),
    ("path:IMG_???", "path:IMG_???"),
    ("date:2024, dog", "date:2024-01-01..2024-12-31 AND dog"),
    ("dog, date:2024-05,cat", "dog AND date:2024-05-01..2024-05-31 AND cat"),
    ("path:a,b.jpg, dog", "path:a,b.jpg AND dog"),
    ("like beach.jpg, dog", "like beach.jpg AND dog"),
    ("lake or river taken in 2023", "(lake OR river) AND date:2023-01-01..2023-12-31"),
    ("photos from 2022 of dogs or cats", "(dogs OR cats) AND date:2022-01-01..2022-12-31"),
    ("cats or dogs, but no people", "(cats OR dogs) AND NOT people"),
    ("a car parked next to a truck", "car near truck"),
    ("everything except cars", "NOT cars"),
    ("show pictures that have both a dog and a cat", "dog AND cat"),
    ("either a dog or a cat", "dog OR cat"),
    ("neither dogs nor cats", "NOT dogs AND NOT cats"),
    ("something with wheels", "wheels"),
    ("show me anything that has wings", "wings"),
    ("things with wheels but no cars", "wheels AND NOT cars"),
    ("anything but dogs", "NOT dogs"),
    ("anything without dogs", "NOT dogs"),
];

#[test]
fn sentences_are_read_as_people_mean_them() {
    for (text, meant) in SENTENCES {
        assert_eq!(plain(text), meant, "{text}");
        assert_eq!(plain(meant), meant, "{text}");
    }
}

/// The tables of sentences in the documentation, with what each is read as, or is refused with.
#[test]
fn the_sentences_of_the_documentation_are_read_as_it_says() {
    let labels = Labels::imagenet(1000).unwrap();
    let classes = labels.iter().map(|label| Class::from_label(label.index as i64, &label));
    let vocabulary = Vocabulary::new(classes);
    let phrases = vocabulary.phrases();
    let section = include_str!("../../../docs/search.md").split("\n## ");
    let section = section.into_iter().find(|part| part.starts_with("Sentences")).unwrap();
    let cell = |cell: &str| cell.trim().trim_matches('`').to_owned();
    let rows: Vec<[String; 2]> = section
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| {
            let mut cells = line.trim_matches('|').split(" | ").map(cell);
            [cells.next().unwrap(), cells.next().unwrap()]
        })
        .collect();
    assert!(rows.len() >= 40, "{}", rows.len());
    for [sentence, meaning] in rows {
        let read = Query::parse_with(&sentence, &phrases)
            .and_then(|query| vocabulary.check(&query, &sentence).map(|()| query.to_string()));
        match (read, meaning.strip_prefix("refused: ")) {
            (Ok(read), None) => assert_eq!(read, meaning, "{sentence}"),
            (Err(error), Some(advice)) => {
                assert!(error.to_string().contains(advice), "{sentence}: {error}");
            }
            (read, _) => panic!("{sentence}: {read:?} in place of {meaning}"),
        }
    }
}

/// Text, the words that carets point at, and part of what is said of them.
const WRONG: [(&str, &str, &str); 32] = [
    ("", "", "a name is missing"),
    ("dog AND", "", "a name is missing"),
    ("dog in the midle", "midle", "did you mean \"middle\""),
    ("dog in the top lefft corner", "lefft", "did you mean \"left\""),
    ("dog in the uper left", "uper", "did you mean \"upper\""),
    ("dog in box(0,0,1)", "0,0,1", "such as box(0, 0.5"),
    ("dog in box(0.5,0,0.5,1)", "0.5,0,0.5,1", "such as box(0, 0.5"),
    ("dog next to two cats", "two", "first thing"),
    ("dogs in June", "June", "of which year"),
    ("photos taken yesterday", "yesterday", "of which year"),
    ("dogs from last summer", "last", "of which year"),
    ("dog in", "", "a place is missing"),
    ("dog in top middle corner", "corner", "no place is called so"),
    ("dog is hungry", "hungry", "after `is`"),
    ("(dog", "(", "not closed"),
    ("dog)", ")", "closes none"),
    ("\"dog", "\"dog", "not closed"),
    ("dog AND \"\"", "\"\"", "a name is missing"),
    ("AND dog", "AND", "a name is missing"),
    ("in the middle", "in", "of what is this said"),
    ("dog left of cat and above bird", "above", "of what is this said"),
    ("dog covering > 20", "20", "0.2 or 20%"),
    ("dog covering > big", "big", "0.2 or 20%"),
    ("dog probability > 1.5", "1.5", "0 to 1"),
    ("dog count > 1.5", "1.5", "whole number"),
    ("dog count 1 count 2", "count", "said before"),
    ("dog above cat count 2", "count", "before the other one"),
    ("dog > 0.5", ">", "what is compared"),
    ("date:yesterday", "yesterday", "2024-05-17"),
    ("name:dog", "name:", "there is no name"),
    ("like", "", "the file of a photo"),
    ("like a.jpg < 0.5", "<", "least value"),
];

#[test]
fn errors_point_at_the_word() {
    for (text, word, advice) in WRONG {
        let error = Query::parse(text).expect_err(text);
        assert_eq!(&text[error.span()], word, "{text}: {error}");
        assert!(error.what().contains(advice), "{text}: {error}");
        let lines: Vec<String> = error.to_string().lines().map(str::to_owned).collect();
        let caret = lines.last().unwrap().find('^').unwrap();
        assert_eq!(caret, 2 + text[..error.span().start].trim_end_matches('\n').len(), "{error}");
    }
}

#[test]
fn long_and_deep_queries_are_refused() {
    let deep = format!("{}dog{}", "(".repeat(1000), ")".repeat(1000));
    assert!(Query::parse(&deep).unwrap_err().what().contains("more than 64"));
    assert!(Query::parse(&"not ".repeat(100)).unwrap_err().what().contains("more than 64"));
    assert!(
        Query::parse(&vec!["dog"; 30].join(" and ")).unwrap_err().what().contains("more than 24")
    );
    assert!(
        Query::parse(&vec!["dog"; 30].join(" above ")).unwrap_err().what().contains("more than 24")
    );
    assert!(Query::parse(&"dog ".repeat(5000)).unwrap_err().what().contains("longest"));
}

#[test]
fn a_long_query_is_shown_around_the_word() {
    let text = format!("{}dog in the midle", "cat and ".repeat(20));
    let error = Query::parse(&text).unwrap_err().to_string();
    let lines: Vec<Vec<char>> = error.lines().map(|line| line.chars().collect()).collect();
    assert!(lines[1].len() < 130, "{error}");
    let caret = lines[2].iter().position(|&letter| letter == '^').unwrap();
    assert_eq!(lines[1][caret..caret + 5].iter().collect::<String>(), "midle", "{error}");
}

fn name() -> impl Strategy<Value = Name> {
    let words = prop::sample::select(vec![
        "dog",
        "cat",
        "in",
        "the",
        "a",
        "left",
        "right",
        "of",
        "and",
        "not",
        "photo",
        "all",
        "there",
        "is",
        "to",
        "with",
        "count",
        "like",
        "top",
        "frame",
        "each",
        "than",
        "percent",
        "similarity",
        "it's",
        "x:y",
        "'q",
        "\"",
        "(",
        "20%",
        ">",
        "is,",
        "jack-o'-lantern",
        "Ünïcode",
        "two",
        "big",
        "more",
        "near",
        "next",
        "by",
        "June",
        "2024",
        "from",
        "taken",
        "show",
        "photos",
        "dog,",
        "together",
        "parked",
        "everything",
        "a,b",
        "dog?",
        "&",
        "except",
    ]);
    prop::collection::vec(words, 1..4).prop_map(|words| Name { text: words.join(" "), span: 0..0 })
}

fn comparator() -> impl Strategy<Value = Comparator> {
    prop::sample::select(vec![
        Comparator::Less,
        Comparator::LessOrEqual,
        Comparator::Equal,
        Comparator::GreaterOrEqual,
        Comparator::Greater,
    ])
}

fn place() -> impl Strategy<Value = Place> {
    let third = || prop::sample::select(vec![Third::First, Third::Middle, Third::Last]);
    let thirds = (prop::option::of(third()), prop::option::of(third()))
        .prop_filter("a third is given", |(row, column)| row.is_some() || column.is_some());
    let side = prop::sample::select(vec![Side::Top, Side::Bottom, Side::Left, Side::Right]);
    let sides = (0.0..0.5_f64, 0.0..0.5_f64, 0.5..=1.0_f64, 0.5..=1.0_f64);
    prop_oneof![
        Just(Place::Foreground),
        Just(Place::Background),
        sides.prop_map(|(x0, y0, x1, y1)| Place::Box(PlaceBox { x0, y0, x1, y1 })),
        Just(Place::Anywhere),
        Just(Place::Corner),
        thirds.prop_map(|(row, column)| Place::Thirds { row, column }),
        side.prop_map(Place::Half),
        any::<(bool, bool)>().prop_map(|(lower, right)| Place::Quarter { lower, right }),
    ]
}

fn constraint() -> impl Strategy<Value = Constraint> {
    let comparison = || {
        (comparator(), 0.0..=1.0_f64)
            .prop_map(|(comparator, value)| Comparison { comparator, value })
    };
    prop_oneof![
        place().prop_map(Constraint::In),
        comparison().prop_map(Constraint::Covering),
        comparison().prop_map(Constraint::Probability),
    ]
}

fn object() -> impl Strategy<Value = Object> {
    let alone = || {
        let parts = (name(), prop::collection::vec(constraint(), 0..3));
        parts.prop_map(|(name, constraints)| Object { name, constraints, related: None })
    };
    let relation = prop::sample::select(vec![
        Relation::LeftOf,
        Relation::RightOf,
        Relation::Above,
        Relation::Below,
        Relation::Inside,
        Relation::Overlapping,
        Relation::Near,
    ]);
    let to_another = (alone(), relation, alone()).prop_map(|(object, relation, other)| Object {
        related: Some(Box::new(Related { relation, object: other })),
        ..object
    });
    prop_oneof![2 => alone(), 1 => to_another]
}

fn day() -> impl Strategy<Value = Day> {
    (1..=9999_u16, 1..=12_u8, 1..=28_u8).prop_map(|(year, month, day)| Day { year, month, day })
}

fn query() -> impl Strategy<Value = Query> {
    let count =
        (comparator(), 0..100_u32).prop_map(|(comparator, value)| Count { comparator, value });
    let has = (object(), prop::option::of(count))
        .prop_map(|(object, count)| Query::Has(Condition { object, count }));
    let dates = (day(), day(), 0..3).prop_map(|(a, b, open)| {
        let (from, to) = (a.min(b), a.max(b));
        Query::DateRange(DateRange {
            from: (open != 0).then_some(from),
            to: (open != 1).then_some(to),
        })
    });
    let like =
        ("[a-z \"'()/.]{1,12}", prop::option::of(0.0..=1.0_f64)).prop_map(|(photo, threshold)| {
            Query::Like(Like { photo, span: Default::default(), threshold })
        });
    let leaf = prop_oneof![4 => has, 1 => "[a-z*? \"'()/.]{1,12}".prop_map(Query::Path), 1 => dates, 1 => like];
    leaf.prop_recursive(4, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..4).prop_map(Query::All),
            prop::collection::vec(inner.clone(), 2..4).prop_map(Query::Any),
            inner.prop_map(|query| Query::Not(Box::new(query))),
        ]
    })
}

proptest! {
    #[test]
    fn a_query_and_its_text_are_worth_the_same(query in query()) {
        let text = query.to_string();
        let read = Query::parse(&text).map_err(|error| TestCaseError::fail(error.to_string()))?;
        prop_assert_eq!(read, query, "{}", text);
    }

    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,60}") {
        if let Ok(query) = Query::parse(&text) {
            prop_assert_eq!(Query::parse(&query.to_string()).unwrap(), query);
        }
    }

    #[test]
    fn words_of_the_language_in_any_order_are_read_or_refused(
        words in prop::collection::vec(prop::sample::select(vec![
            "dog", "in", "the", "middle", "left", "of", "and", "or", "not", "(", ")", "\"", "covering", ">", "20%", "count",
            "2", "like", "a.jpg", "path:x", "date:2024", "show", "photos", "where", "is", "top", "corner", "inside", "with",
            "two", "more than", "big", "next to", "near", "by", ",", "in June 2024", "from", "summer", "2022", "taken",
            "between", "that are not", "except", "me", "a", "box(0,0,1,1)", "foreground", "?",
        ]), 0..14)
    ) {
        let text = words.join(" ");
        match Query::parse(&text) {
            Ok(query) => prop_assert_eq!(Query::parse(&query.to_string()).unwrap(), query, "{}", text),
            Err(error) => prop_assert!(error.to_string().contains('^')),
        }
    }
}
