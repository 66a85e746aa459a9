//! One photo, judged by hand: the obvious twin of what SQL does for all of them, and what explains a score.

use serde::Serialize;

use super::fit::Extent;
use super::goal::{Goal, SAME, Wanted};
use super::pattern;
use crate::query::{Count, Dates, Relation};

/// What is known of a photo.
#[derive(Debug, Default)]
pub(super) struct Facts {
    pub(super) photo: i64,
    pub(super) path: Vec<u8>,
    /// Local time of the camera, as the library has it.
    pub(super) taken: Option<String>,
    /// Nanoseconds since 1970.
    pub(super) modified: i64,
    pub(super) regions: Vec<Seen>,
    /// What is in the photo as a whole; boxes are all of it.
    pub(super) whole: Vec<Seen>,
}

/// Something the network saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Seen {
    /// The region; 0 for a photo as a whole.
    pub(super) id: i64,
    pub(super) class: i64,
    pub(super) at: Extent,
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
pub(super) struct Met {
    /// What the query calls it.
    pub(super) name: String,
    pub(super) seen: Seen,
    /// Whether it is the whole photo and no place of it.
    pub(super) whole: bool,
    pub(super) score: f64,
}

/// A photo that has what it must have.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Verdict {
    pub(super) explanation: Explanation,
    pub(super) met: Vec<Met>,
}

impl Verdict {
    fn plain(condition: String, score: f64, how: impl Into<String>) -> Self {
        let explanation = Explanation { condition, score, how: how.into(), parts: Vec::new() };
        Self { explanation, met: Vec::new() }
    }

    pub(super) fn score(&self) -> f64 {
        self.explanation.score
    }
}

impl Goal {
    /// Judges a photo; `None` if it has not what it must have.
    pub(super) fn judge(&self, facts: &Facts) -> Option<Verdict> {
        match self {
            Self::All(parts) => {
                let verdicts: Vec<Verdict> = parts.iter().map(|part| part.judge(facts)).collect::<Option<_>>()?;
                let score = verdicts.iter().map(Verdict::score).product();
                Some(together("all", score, "the product", verdicts))
            }
            Self::Any(parts) => {
                let verdicts: Vec<Verdict> = parts.iter().filter_map(|part| part.judge(facts)).collect();
                let score = verdicts.iter().map(Verdict::score).reduce(f64::max)?;
                Some(together("any", score, "the best", verdicts))
            }
            Self::Not(part) => match part.judge(facts) {
                None => Some(Verdict::plain(format!("not {}", part.text()), 1.0, "it is not so")),
                Some(_) => None,
            },
            Self::Has(wanted, count) => wanted.judge(*count, facts),
            Self::Path(text) => {
                pattern::fits(text.as_bytes(), &facts.path).then(|| Verdict::plain(self.text(), 1.0, "the path fits"))
            }
            Self::Dates(dates) => within(dates, facts).then(|| Verdict::plain(self.text(), 1.0, "it is of these days")),
            Self::Like { similar, .. } => {
                similar.get(&facts.photo).map(|&score| Verdict::plain(self.text(), score, "the similarity"))
            }
        }
    }

    /// The query's words.
    fn text(&self) -> String {
        let joined = |parts: &[Self], joint: &str| parts.iter().map(Self::text).collect::<Vec<_>>().join(joint);
        match self {
            Self::All(parts) => format!("({})", joined(parts, " and ")),
            Self::Any(parts) => format!("({})", joined(parts, " or ")),
            Self::Not(part) => format!("not {}", part.text()),
            Self::Has(wanted, count) => wanted.whole_text(*count),
            Self::Path(pattern) => format!("path:{pattern}"),
            Self::Dates(dates) => dates.to_string(),
            Self::Like { text, .. } => text.clone(),
        }
    }
}

fn together(condition: &str, score: f64, how: &str, verdicts: Vec<Verdict>) -> Verdict {
    let met = verdicts.iter().flat_map(|verdict| verdict.met.clone()).collect();
    let parts = verdicts.into_iter().map(|verdict| verdict.explanation).collect();
    Verdict { explanation: Explanation { condition: condition.into(), score, how: how.into(), parts }, met }
}

/// What does not share much of its box with anything better; the best come first.
fn distinct(found: &[Vec<Met>]) -> Vec<&Vec<Met>> {
    let same = |a: &Vec<Met>, b: &Vec<Met>| Relation::Overlapping.fit(&a[0].seen.at, &b[0].seen.at) > SAME;
    let alone = |&(rank, met): &(usize, &Vec<Met>)| !found[..rank].iter().any(|better| same(met, better));
    found.iter().enumerate().filter(alone).map(|(_, met)| met).collect()
}

/// Whether the photo was taken, or, if that is not known, its file last changed, within the dates.
fn within(dates: &Dates, facts: &Facts) -> bool {
    if let Some(taken) = &facts.taken {
        let day = taken.get(..10).unwrap_or(taken);
        let after = dates.from.is_none_or(|from| day >= from.to_string().as_str());
        return after && dates.to.is_none_or(|to| day <= to.to_string().as_str());
    }
    let (from, to) = dates.seconds();
    let modified = facts.modified.div_euclid(1_000_000_000);
    from.is_none_or(|from| modified >= from) && to.is_none_or(|to| modified < to)
}

impl Wanted {
    fn judge(&self, count: Option<Count>, facts: &Facts) -> Option<Verdict> {
        let mut found: Vec<Vec<Met>> = facts.regions.iter().filter_map(|seen| self.meets(seen, facts)).collect();
        if self.is_anywhere(count) {
            found.extend(self.whole(facts).map(|met| vec![met]));
        }
        found.sort_by(|a, b| b[0].score.total_cmp(&a[0].score).then(a[0].seen.id.cmp(&b[0].seen.id)));
        let (score, how, met) = match count {
            None => {
                let (score, how) = found.first().map(|best| (best[0].score, self.how(best)))?;
                (score, how, Self::shown(found))
            }
            Some(count) => {
                let found = distinct(&found);
                let enough = count.sign.holds(u32::try_from(found.len()).ok()?, count.value);
                let mean = found.iter().map(|met| met[0].score).sum::<f64>() / found.len() as f64;
                let how = format!("the mean of {} of them", found.len());
                (enough && !found.is_empty()).then(|| (mean, how, found.into_iter().flatten().cloned().collect()))?
            }
        };
        let explanation = Explanation { condition: self.whole_text(count), score, how, parts: Vec::new() };
        Some(Verdict { explanation, met })
    }

    /// The best, and, if that is the photo as a whole, the best place of it too: people want to see where.
    fn shown(found: Vec<Vec<Met>>) -> Vec<Met> {
        let whole = found.iter().take_while(|met| met[0].whole).count();
        let mut found = found.into_iter();
        let best = found.next();
        let place = if whole > 0 { found.nth(whole - 1) } else { None };
        best.into_iter().chain(place).flatten().collect()
    }

    /// What each network says of the photo as a whole: the likeliest of its kinds, with the probability of all.
    fn whole<'a>(&'a self, facts: &'a Facts) -> impl Iterator<Item = Met> + 'a {
        let kinds = move |model: i64| {
            facts
                .whole
                .iter()
                .filter(move |seen| seen.model == model && self.classes.binary_search(&seen.class).is_ok())
        };
        let mut models: Vec<i64> = facts.whole.iter().map(|seen| seen.model).collect();
        models.sort_unstable();
        models.dedup();
        models.into_iter().filter_map(move |model| {
            let likeliest = kinds(model).max_by(|a, b| a.probability.total_cmp(&b.probability))?;
            let probability = kinds(model).map(|seen| seen.probability).sum::<f64>().min(1.0);
            let seen = Seen { probability, ..*likeliest };
            self.is_sure(&seen).then(|| self.met(seen, probability, true))
        })
    }

    /// What meets it of this: the thing itself, with the score of all, then what it is left of, above, ….
    fn meets(&self, seen: &Seen, facts: &Facts) -> Option<Vec<Met>> {
        let score = self.own_score(seen)?;
        let Some((relation, other)) = &self.related else { return Some(vec![self.met(*seen, score, false)]) };
        let others = facts.regions.iter().filter(|another| another.id != seen.id);
        let best = others.filter_map(|another| {
            let chain = other.meets(another, facts)?;
            let score = score * chain[0].score * relation.fit(&seen.at, &another.at);
            (score > 0.0).then_some((score, chain))
        });
        let (score, chain) = best.max_by(|a, b| a.0.total_cmp(&b.0))?;
        Some(std::iter::once(self.met(*seen, score, false)).chain(chain).collect())
    }

    /// Its probability as far as it is where it should be, if all that is said of it holds.
    fn own_score(&self, seen: &Seen) -> Option<f64> {
        let large = self.covering.iter().all(|&(sign, value)| sign.holds(seen.share, value));
        let score = seen.probability * self.place_fit(&seen.at);
        (self.is_kind(seen) && large && score > 0.0).then_some(score)
    }

    fn is_kind(&self, seen: &Seen) -> bool {
        self.is_sure(seen) && self.classes.binary_search(&seen.class).is_ok()
    }

    fn is_sure(&self, seen: &Seen) -> bool {
        self.probability.iter().all(|&(sign, value)| sign.holds(seen.probability, value))
    }

    fn met(&self, seen: Seen, score: f64, whole: bool) -> Met {
        Met { name: self.name.clone(), seen, whole, score }
    }

    fn whole_text(&self, count: Option<Count>) -> String {
        let count = count.map_or(String::new(), |count| format!(" count {} {}", count.sign.text(), count.value));
        let related = self.related.as_ref();
        let related =
            related.map_or(String::new(), |(relation, other)| format!(" {relation} {}", other.whole_text(None)));
        format!("{}{count}{related}", self.text)
    }

    /// A chain's score as a product.
    fn how(&self, chain: &[Met]) -> String {
        let (seen, fit) = (&chain[0].seen, self.place_fit(&chain[0].seen.at));
        let mut how = format!("probability {:.3}", seen.probability);
        if chain[0].whole {
            how += " of the photo as a whole";
        }
        if !self.places.is_empty() {
            how += &format!(" x place {fit:.3}");
        }
        if let Some(((relation, other), next)) = self.related.as_ref().zip(chain.get(1)) {
            let fit = relation.fit(&seen.at, &next.seen.at);
            how += &format!(" x {relation} {fit:.3} x ({}: {})", other.name, other.how(&chain[1..]));
        }
        how
    }
}
