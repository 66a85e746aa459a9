//! One photo, judged by hand: the obvious twin of what SQL does for all of them, and what explains
//! a score.

use serde::Serialize;

use super::fit::BoundingBox;
use super::pattern;
use super::resolve::{ResolvedQuery, SAME_OBJECT_OVERLAP, Target};
use crate::query::{Count, DateRange, Relation};

/// What is known of a photo.
#[derive(Debug, Default)]
pub(super) struct PhotoFacts {
    pub(super) photo: i64,
    pub(super) path: Vec<u8>,
    /// Local time of the camera, as the library has it.
    pub(super) taken: Option<String>,
    /// Nanoseconds since 1970.
    pub(super) modified: i64,
    pub(super) regions: Vec<DetectionRow>,
    /// What is in the photo as a whole; boxes are all of it.
    pub(super) image_scores: Vec<DetectionRow>,
}

/// Something the network saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DetectionRow {
    /// The region; 0 for a photo as a whole.
    pub(super) id: i64,
    pub(super) class: i64,
    pub(super) bounds: BoundingBox,
    pub(super) share: f64,
    pub(super) probability: f64,
    /// The network that says so of a photo as a whole; 0 for a region, of which it does not matter.
    pub(super) model: i64,
}

/// Why a photo has its score: a condition, what it gave, and its parts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Explanation {
    /// The condition, in the query's words.
    pub condition: String,
    /// What it gives: 0 to 1.
    pub score: f64,
    /// How the score is made of its parts.
    pub how: String,
    /// Conditions it is made of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Explanation>,
}

/// What meets a condition.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MatchedRow {
    /// What the query calls it.
    pub(super) name: String,
    pub(super) row: DetectionRow,
    /// Whether it is the whole photo and no place of it.
    pub(super) whole: bool,
    pub(super) score: f64,
}

/// A photo that has what it must have.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ScoredPhoto {
    pub(super) explanation: Explanation,
    pub(super) matched: Vec<MatchedRow>,
}

impl ScoredPhoto {
    fn plain(condition: String, score: f64, how: impl Into<String>) -> Self {
        let explanation = Explanation { condition, score, how: how.into(), parts: Vec::new() };
        Self { explanation, matched: Vec::new() }
    }

    pub(super) fn score(&self) -> f64 {
        self.explanation.score
    }
}

impl ResolvedQuery {
    /// Judges a photo; `None` if it has not what it must have.
    pub(super) fn score_photo(&self, facts: &PhotoFacts) -> Option<ScoredPhoto> {
        match self {
            Self::All(parts) => {
                let scored_parts: Vec<ScoredPhoto> =
                    parts.iter().map(|part| part.score_photo(facts)).collect::<Option<_>>()?;
                let score = scored_parts.iter().map(ScoredPhoto::score).product();
                Some(combine("all", score, "the product", scored_parts))
            }
            Self::Any(parts) => {
                let scored_parts: Vec<ScoredPhoto> =
                    parts.iter().filter_map(|part| part.score_photo(facts)).collect();
                let score = scored_parts.iter().map(ScoredPhoto::score).reduce(f64::max)?;
                Some(combine("any", score, "the best", scored_parts))
            }
            Self::Not(part) => match part.score_photo(facts) {
                None => {
                    Some(ScoredPhoto::plain(format!("not {}", part.text()), 1.0, "it is not so"))
                }
                Some(_) => None,
            },
            Self::Has(target, count) => target.score_photo(*count, facts),
            Self::Path(text) => pattern::glob_matches(text.as_bytes(), &facts.path)
                .then(|| ScoredPhoto::plain(self.text(), 1.0, "the path fits")),
            Self::DateRange(dates) => within(dates, facts)
                .then(|| ScoredPhoto::plain(self.text(), 1.0, "it is of these days")),
            Self::Like { similar, .. } => similar
                .get(&facts.photo)
                .map(|&score| ScoredPhoto::plain(self.text(), score, "the similarity")),
        }
    }

    /// Explains a score whose detections the reference scorer does not match: a sum of
    /// probabilities within rounding of a limit, or rows that differ from their index.
    pub(super) fn unexplained(&self, score: f64) -> ScoredPhoto {
        ScoredPhoto::plain(self.text(), score, "the score of the index")
    }

    /// The query's words.
    fn text(&self) -> String {
        let joined = |parts: &[Self], joint: &str| {
            parts.iter().map(Self::text).collect::<Vec<_>>().join(joint)
        };
        match self {
            Self::All(parts) => format!("({})", joined(parts, " and ")),
            Self::Any(parts) => format!("({})", joined(parts, " or ")),
            Self::Not(part) => format!("not {}", part.text()),
            Self::Has(target, count) => target.whole_text(*count),
            Self::Path(pattern) => format!("path:{pattern}"),
            Self::DateRange(dates) => dates.to_string(),
            Self::Like { text, .. } => text.clone(),
        }
    }
}

fn combine(condition: &str, score: f64, how: &str, scored_parts: Vec<ScoredPhoto>) -> ScoredPhoto {
    let matched = scored_parts.iter().flat_map(|scored| scored.matched.clone()).collect();
    let parts = scored_parts.into_iter().map(|scored| scored.explanation).collect();
    ScoredPhoto {
        explanation: Explanation { condition: condition.into(), score, how: how.into(), parts },
        matched,
    }
}

/// What does not share much of its box with anything better; the best come first.
fn non_maximum_suppression(chains: &[Vec<MatchedRow>]) -> Vec<&Vec<MatchedRow>> {
    let overlaps = |a: &Vec<MatchedRow>, b: &Vec<MatchedRow>| {
        Relation::Overlapping.fit(&a[0].row.bounds, &b[0].row.bounds) > SAME_OBJECT_OVERLAP
    };
    let is_maximum = |&(rank, chain): &(usize, &Vec<MatchedRow>)| {
        !chains[..rank].iter().any(|better| overlaps(chain, better))
    };
    chains.iter().enumerate().filter(is_maximum).map(|(_, chain)| chain).collect()
}

/// Whether the photo was taken, or, if that is not known, its file last changed, within the dates.
fn within(dates: &DateRange, facts: &PhotoFacts) -> bool {
    if let Some(taken) = &facts.taken {
        let day = taken.get(..10).unwrap_or(taken);
        let after = dates.from.is_none_or(|from| day >= from.to_string().as_str());
        return after && dates.to.is_none_or(|to| day <= to.to_string().as_str());
    }
    let (from, to) = dates.seconds();
    let modified = facts.modified.div_euclid(1_000_000_000);
    from.is_none_or(|from| modified >= from) && to.is_none_or(|to| modified < to)
}

impl Target {
    fn score_photo(&self, count: Option<Count>, facts: &PhotoFacts) -> Option<ScoredPhoto> {
        let mut chains: Vec<Vec<MatchedRow>> =
            facts.regions.iter().filter_map(|row| self.best_chain(row, facts)).collect();
        if self.is_anywhere(count) {
            chains.extend(self.image_matches(facts).map(|matched| vec![matched]));
        }
        chains
            .sort_by(|a, b| b[0].score.total_cmp(&a[0].score).then(a[0].row.id.cmp(&b[0].row.id)));
        let (score, how, matched) = match count {
            None => {
                let (score, how) = chains.first().map(|best| (best[0].score, self.how(best)))?;
                (score, how, Self::matches_to_show(chains))
            }
            Some(count) => {
                let chains = non_maximum_suppression(&chains);
                let enough = count.comparator.holds(u32::try_from(chains.len()).ok()?, count.value);
                let mean =
                    chains.iter().map(|chain| chain[0].score).sum::<f64>() / chains.len() as f64;
                let how = format!("the mean of {} of them", chains.len());
                (enough && !chains.is_empty())
                    .then(|| (mean, how, chains.into_iter().flatten().cloned().collect()))?
            }
        };
        let explanation =
            Explanation { condition: self.whole_text(count), score, how, parts: Vec::new() };
        Some(ScoredPhoto { explanation, matched })
    }

    /// The best, and, if that is the photo as a whole, the best place of it too: people want to see
    /// where.
    fn matches_to_show(chains: Vec<Vec<MatchedRow>>) -> Vec<MatchedRow> {
        let whole = chains.iter().take_while(|chain| chain[0].whole).count();
        let mut chains = chains.into_iter();
        let best = chains.next();
        let place = if whole > 0 { chains.nth(whole - 1) } else { None };
        best.into_iter().chain(place).flatten().collect()
    }

    /// What each network says of the photo as a whole: the likeliest of its kinds, with the
    /// probability of all.
    fn image_matches<'a>(&'a self, facts: &'a PhotoFacts) -> impl Iterator<Item = MatchedRow> + 'a {
        let kinds = move |model: i64| {
            facts.image_scores.iter().filter(move |row| {
                row.model == model && self.classes.binary_search(&row.class).is_ok()
            })
        };
        let mut models: Vec<i64> = facts.image_scores.iter().map(|row| row.model).collect();
        models.sort_unstable();
        models.dedup();
        models.into_iter().filter_map(move |model| {
            let likeliest = kinds(model).max_by(|a, b| a.probability.total_cmp(&b.probability))?;
            let probability = kinds(model).map(|row| row.probability).sum::<f64>().min(1.0);
            let row = DetectionRow { probability, ..*likeliest };
            self.is_probable(&row).then(|| self.matched(row, probability, true))
        })
    }

    /// What meets it of this: the thing itself, with the score of all, then what it is left of,
    /// above, ….
    fn best_chain(&self, row: &DetectionRow, facts: &PhotoFacts) -> Option<Vec<MatchedRow>> {
        let score = self.own_score(row)?;
        let Some((relation, other)) = &self.related else {
            return Some(vec![self.matched(*row, score, false)]);
        };
        let others = facts.regions.iter().filter(|another| another.id != row.id);
        let best = others.filter_map(|another| {
            let chain = other.best_chain(another, facts)?;
            let score = score * chain[0].score * relation.fit(&row.bounds, &another.bounds);
            (score > 0.0).then_some((score, chain))
        });
        let (score, chain) = best.max_by(|a, b| a.0.total_cmp(&b.0))?;
        Some(std::iter::once(self.matched(*row, score, false)).chain(chain).collect())
    }

    /// Its probability as far as it is where it should be, if all that is said of it holds.
    fn own_score(&self, row: &DetectionRow) -> Option<f64> {
        let covers_enough =
            self.covering.iter().all(|&(comparator, value)| comparator.holds(row.share, value));
        let score = row.probability * self.place_fit(&row.bounds);
        (self.is_of_class(row) && covers_enough && score > 0.0).then_some(score)
    }

    fn is_of_class(&self, row: &DetectionRow) -> bool {
        self.is_probable(row) && self.classes.binary_search(&row.class).is_ok()
    }

    fn is_probable(&self, row: &DetectionRow) -> bool {
        self.probability.iter().all(|&(comparator, value)| comparator.holds(row.probability, value))
    }

    fn matched(&self, row: DetectionRow, score: f64, whole: bool) -> MatchedRow {
        MatchedRow { name: self.name.clone(), row, whole, score }
    }

    fn whole_text(&self, count: Option<Count>) -> String {
        let count = count.map_or(String::new(), |count| {
            format!(" count {} {}", count.comparator.text(), count.value)
        });
        let related = self.related.as_ref();
        let related = related.map_or(String::new(), |(relation, other)| {
            format!(" {relation} {}", other.whole_text(None))
        });
        format!("{}{count}{related}", self.text)
    }

    /// A chain's score as a product.
    fn how(&self, chain: &[MatchedRow]) -> String {
        let (row, fit) = (&chain[0].row, self.place_fit(&chain[0].row.bounds));
        let mut how = format!("probability {:.3}", row.probability);
        if chain[0].whole {
            how += " of the photo as a whole";
        }
        if !self.places.is_empty() {
            how += &format!(" x place {fit:.3}");
        }
        if let Some(((relation, other), next)) = self.related.as_ref().zip(chain.get(1)) {
            let fit = relation.fit(&row.bounds, &next.row.bounds);
            how +=
                &format!(" x {relation} {fit:.3} x ({}: {})", other.name, other.how(&chain[1..]));
        }
        how
    }
}
