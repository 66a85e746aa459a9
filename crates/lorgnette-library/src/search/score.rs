//! The score of one photo, and how it came about.

use lorgnette::photos::glob_matches;
use serde::Serialize;

use super::fit::BoundingBox;
use super::resolve::{ResolvedQuery, SAME_OBJECT_OVERLAP, Target};
use crate::query::{Count, DateRange, Relation};

/// Facts of a photo that a query can refer to.
#[derive(Clone, Debug, Default)]
pub(super) struct PhotoFacts {
    pub(super) photo: i64,
    pub(super) path: Vec<u8>,
    /// Local time of capture, as stored.
    pub(super) taken: Option<String>,
    /// Modification time in nanoseconds since 1970.
    pub(super) modified: i64,
    pub(super) regions: Vec<DetectionRow>,
    /// Image-level classes; their boxes are the whole photo.
    pub(super) image_scores: Vec<DetectionRow>,
}

/// A detection.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct DetectionRow {
    /// Id of the region; 0 for an image-level class.
    pub(super) id: i64,
    pub(super) class: i64,
    pub(super) bounds: BoundingBox,
    pub(super) share: f64,
    pub(super) probability: f64,
    /// Id of the model of an image-level class; 0 for a region.
    pub(super) model: i64,
}

impl DetectionRow {
    /// Returns whether it is a class of the whole photo rather than a region.
    pub(super) fn is_image_level(&self) -> bool {
        self.id == 0
    }
}

/// Computation of a score: a condition, its score and its parts.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Explanation {
    /// Condition as text.
    pub condition: String,
    /// Score, 0 to 1.
    pub score: f64,
    /// Computation of the score from its parts.
    pub how: String,
    /// Conditions it consists of.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub parts: Vec<Explanation>,
}

/// A detection that matches a condition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct MatchedRow<'q> {
    /// Name in the query.
    pub(super) name: &'q str,
    pub(super) row: DetectionRow,
    /// Whether it is an image-level class.
    pub(super) whole: bool,
    pub(super) score: f64,
}

/// The best way on from a region.
#[derive(Clone, Copy, Debug)]
struct Step {
    /// Score of the chain from here.
    score: f64,
    /// Index of the next region; of this one at the end.
    next: usize,
}

/// A matching object, then the objects it is related to.
type Chain<'q> = Vec<MatchedRow<'q>>;

/// Score of a photo that matches a condition.
#[derive(Clone, Debug)]
pub(super) struct ScoredPhoto<'q> {
    condition: &'q ResolvedQuery,
    /// Score, 0 to 1.
    pub(super) score: f64,
    /// The best match of an object, or those that were counted.
    chains: Vec<Chain<'q>>,
    /// Scores of the conditions it consists of.
    parts: Vec<ScoredPhoto<'q>>,
}

impl<'q> ScoredPhoto<'q> {
    fn plain(condition: &'q ResolvedQuery, score: f64) -> Self {
        Self { condition, score, chains: Vec::new(), parts: Vec::new() }
    }

    /// Returns the matching detections in the order of the query.
    pub(super) fn matched(&self) -> Vec<MatchedRow<'q>> {
        let own = self.chains.iter().flatten().copied();
        own.chain(self.parts.iter().flat_map(Self::matched)).collect()
    }

    /// Returns the computation of the score.
    pub(super) fn explanation(&self) -> Explanation {
        let parts: Vec<Explanation> = self.parts.iter().map(Self::explanation).collect();
        let (condition, how) = match self.condition {
            ResolvedQuery::All(_) => ("all".into(), "the product".into()),
            ResolvedQuery::Any(_) => ("any".into(), "the best".into()),
            ResolvedQuery::Not(_) => (self.condition.text(), "it is not so".into()),
            ResolvedQuery::Has(target, None) => (
                self.condition.text(),
                self.chains.first().map_or(String::new(), |c| target.how(c)),
            ),
            ResolvedQuery::Has(_, Some(_)) => {
                (self.condition.text(), format!("the mean of {} of them", self.chains.len()))
            }
            ResolvedQuery::Path(_) => (self.condition.text(), "the path fits".into()),
            ResolvedQuery::DateRange(_) => (self.condition.text(), "it is of these days".into()),
            ResolvedQuery::Like { .. } => (self.condition.text(), "the similarity".into()),
        };
        Explanation { condition, score: self.score, how, parts }
    }
}

/// Whether a photo meets a condition.
#[derive(Debug)]
pub(super) enum Evaluation<'q> {
    Matches(ScoredPhoto<'q>),
    Fails,
    /// It does not match as far as is known, but no model has searched it for what was asked.
    Unknown,
}

impl<'q> Evaluation<'q> {
    fn new(scored: Option<ScoredPhoto<'q>>) -> Self {
        scored.map_or(Self::Fails, Self::Matches)
    }
}

impl ResolvedQuery {
    /// Scores a photo; `None` if it does not match, or is not known to.
    pub(super) fn score_photo(&self, facts: &PhotoFacts) -> Option<ScoredPhoto<'_>> {
        match self.evaluate(facts) {
            Evaluation::Matches(scored) => Some(scored),
            Evaluation::Fails | Evaluation::Unknown => None,
        }
    }

    /// Evaluates the condition in Kleene's logic of three values: what was not searched for is not
    /// known to be absent.
    fn evaluate(&self, facts: &PhotoFacts) -> Evaluation<'_> {
        match self {
            Self::All(conditions) => self.evaluate_all(conditions, facts),
            Self::Any(conditions) => self.evaluate_any(conditions, facts),
            Self::Not(part) => match part.evaluate(facts) {
                Evaluation::Matches(_) => Evaluation::Fails,
                Evaluation::Fails => Evaluation::Matches(ScoredPhoto::plain(self, 1.0)),
                Evaluation::Unknown => Evaluation::Unknown,
            },
            Self::Has(target, count) => match target.score_photo(*count, facts) {
                Some((score, chains)) => Evaluation::Matches(ScoredPhoto {
                    condition: self,
                    score,
                    chains,
                    parts: Vec::new(),
                }),
                None if target.was_searched_for(facts.photo) => Evaluation::Fails,
                None => Evaluation::Unknown,
            },
            Self::Path(text) => {
                let matches = glob_matches(text.as_bytes(), &facts.path);
                Evaluation::new(matches.then(|| ScoredPhoto::plain(self, 1.0)))
            }
            Self::DateRange(dates) => {
                Evaluation::new(within(dates, facts).then(|| ScoredPhoto::plain(self, 1.0)))
            }
            Self::Like { similar, .. } => {
                let similarity = similar.get(&facts.photo);
                Evaluation::new(similarity.map(|&score| ScoredPhoto::plain(self, score)))
            }
        }
    }

    /// Evaluates a conjunction: one condition that fails decides.
    fn evaluate_all<'q>(&'q self, conditions: &'q [Self], facts: &PhotoFacts) -> Evaluation<'q> {
        let mut parts = Vec::with_capacity(conditions.len());
        for condition in conditions {
            match condition.evaluate(facts) {
                Evaluation::Matches(scored) => parts.push(scored),
                Evaluation::Fails => return Evaluation::Fails,
                Evaluation::Unknown => {}
            }
        }
        if parts.len() < conditions.len() {
            return Evaluation::Unknown;
        }
        let score = parts.iter().map(|part| part.score).product();
        Evaluation::Matches(ScoredPhoto { condition: self, score, chains: Vec::new(), parts })
    }

    /// Evaluates a disjunction: it fails if all conditions do.
    fn evaluate_any<'q>(&'q self, conditions: &'q [Self], facts: &PhotoFacts) -> Evaluation<'q> {
        let mut parts = Vec::new();
        let mut is_known = true;
        for condition in conditions {
            match condition.evaluate(facts) {
                Evaluation::Matches(scored) => parts.push(scored),
                Evaluation::Fails => {}
                Evaluation::Unknown => is_known = false,
            }
        }
        match parts.iter().map(|part| part.score).reduce(f64::max) {
            Some(score) => {
                let chains = Vec::new();
                Evaluation::Matches(ScoredPhoto { condition: self, score, chains, parts })
            }
            None if is_known => Evaluation::Fails,
            None => Evaluation::Unknown,
        }
    }

    /// Returns the condition as text.
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

/// Removes matches that overlap a better one; `chains` are in descending order of score.
fn non_maximum_suppression<'q>(chains: &[Chain<'q>]) -> Vec<Chain<'q>> {
    let is_maximum = |&(rank, chain): &(usize, &Chain<'q>)| {
        !chains[..rank].iter().any(|better| is_same_object(chain, better))
    };
    chains.iter().enumerate().filter(is_maximum).map(|(_, chain)| chain.clone()).collect()
}

fn is_same_object(a: &Chain<'_>, b: &Chain<'_>) -> bool {
    Relation::Overlapping.fit(&a[0].row.bounds, &b[0].row.bounds) > SAME_OBJECT_OVERLAP
}

/// Returns whether the photo's time of capture, or if unknown its modification time, is within the
/// dates.
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
    /// Returns whether a model has looked at a photo for the object, and for those it is related
    /// to.
    fn was_searched_for(&self, photo: i64) -> bool {
        let was_related =
            || self.related.as_ref().is_none_or(|(_, other)| other.was_searched_for(photo));
        !self.unsearched.contains(&photo) && was_related()
    }

    /// Returns the score of a photo with the matches it comes from.
    fn score_photo<'q>(
        &'q self,
        count: Option<Count>,
        facts: &PhotoFacts,
    ) -> Option<(f64, Vec<Chain<'q>>)> {
        let mut chains = self.best_chains(&facts.regions);
        if self.is_anywhere(count) {
            chains.extend(self.image_matches(facts).map(|matched| vec![matched]));
        }
        chains
            .sort_by(|a, b| b[0].score.total_cmp(&a[0].score).then(a[0].row.id.cmp(&b[0].row.id)));
        let Some(count) = count else {
            let score = chains.first()?[0].score;
            return Some((score, Self::chains_to_show(chains)));
        };
        let counted = non_maximum_suppression(&chains);
        let enough = count.comparator.holds(u32::try_from(counted.len()).ok()?, count.value);
        if counted.is_empty() || !enough {
            return None;
        }
        let sum: f64 = counted.iter().map(|chain| chain[0].score).sum();
        Some((sum / counted.len() as f64, counted))
    }

    /// Returns the best match; if that is an image-level class, also the best region, to show where
    /// it is.
    fn chains_to_show(chains: Vec<Chain<'_>>) -> Vec<Chain<'_>> {
        let whole = chains.iter().take_while(|chain| chain[0].whole).count();
        let mut chains = chains.into_iter();
        let best = chains.next();
        let place = if whole > 0 { chains.nth(whole - 1) } else { None };
        best.into_iter().chain(place).collect()
    }

    /// Returns the image-level match of each model: the most probable matching class, with the sum
    /// of their probabilities.
    fn image_matches<'a, 'q: 'a>(
        &'q self,
        facts: &'a PhotoFacts,
    ) -> impl Iterator<Item = MatchedRow<'q>> + 'a {
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

    /// Returns the best chain of matches that begins at each region that has one: the object with
    /// the score of the chain, then the objects it is related to.
    ///
    /// The best rest of a chain depends on where it begins alone, so it is found once for each
    /// region and object: tried one by one, the chains of `n` objects over `m` regions are `mⁿ`.
    fn best_chains<'q>(&'q self, regions: &[DetectionRow]) -> Vec<Chain<'q>> {
        let mut targets = vec![self];
        while let Some((_, other)) = &targets[targets.len() - 1].related {
            targets.push(other);
        }
        let mut steps: Vec<Vec<Option<Step>>> = Vec::with_capacity(targets.len());
        for target in targets.iter().rev() {
            let rest = steps.last();
            let best = (0..regions.len()).map(|at| target.best_step(at, regions, rest));
            steps.push(best.collect());
        }
        steps.reverse();
        let chain = |start: usize| {
            let (mut at, mut chain) = (start, Vec::with_capacity(targets.len()));
            for (target, steps) in targets.iter().zip(&steps) {
                let step = steps[at]?;
                chain.push(target.matched(regions[at], step.score, false));
                at = step.next;
            }
            Some(chain)
        };
        (0..regions.len()).filter_map(chain).collect()
    }

    /// Returns the step from region `at` to the one that the best chain goes on with; `rest` has
    /// the steps from there.
    fn best_step(
        &self,
        at: usize,
        regions: &[DetectionRow],
        rest: Option<&Vec<Option<Step>>>,
    ) -> Option<Step> {
        let row = &regions[at];
        let own = self.own_score(row)?;
        let Some(((relation, _), rest)) = self.related.as_ref().zip(rest) else {
            return Some(Step { score: own, next: at });
        };
        let steps = regions.iter().zip(rest).enumerate().filter_map(|(next, (another, step))| {
            let score = own * (*step)?.score * relation.fit(&row.bounds, &another.bounds);
            (another.id != row.id && score > 0.0).then_some(Step { score, next })
        });
        steps.max_by(|a, b| a.score.total_cmp(&b.score))
    }

    /// Returns the probability times the fit to the places; `None` if a constraint fails.
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

    fn matched(&self, row: DetectionRow, score: f64, whole: bool) -> MatchedRow<'_> {
        MatchedRow { name: &self.name, row, whole, score }
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

    /// Formats a chain's score as a product.
    fn how(&self, chain: &[MatchedRow<'_>]) -> String {
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
