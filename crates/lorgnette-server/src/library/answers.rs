//! Answers about a library as JSON.

use std::collections::BTreeMap;

use axum::response::Response;
use lorgnette_library::answer::{DetectionAnswer, HitAnswer, PhotoAnswer};
use lorgnette_library::query::{DrawnPart, Query, QueryError};
use lorgnette_library::search::{self, SearchOptions};
use lorgnette_library::{Detection, DuplicateGroup, Library, Photo};
use serde::Serialize;

use super::json;
use crate::app::json_response;
use crate::failure::{Failure, Outcome};

/// Counts of a library.
#[derive(Serialize)]
pub(super) struct Summary {
    photos: usize,
    vanished: usize,
    unreadable: usize,
    corrections: usize,
    /// First and last day of capture.
    taken: Option<(String, String)>,
    models: Vec<ModelSummary>,
}

#[derive(Serialize)]
struct ModelSummary {
    name: String,
    photos: usize,
    features: usize,
}

pub(super) fn summary(library: &Library) -> Outcome<Summary> {
    let statistics = library.statistics(None, 0)?;
    let models = library.models()?.into_iter().map(|model| ModelSummary {
        name: model.name,
        photos: model.photos,
        features: model.features,
    });
    Ok(Summary {
        photos: statistics.present,
        vanished: statistics.missing,
        unreadable: statistics.unreadable,
        corrections: statistics.corrections,
        taken: statistics.taken,
        models: models.collect(),
    })
}

/// The names that queries may have.
pub(super) fn vocabulary(library: &Library) -> Outcome<BTreeMap<&'static str, Vec<String>>> {
    let names = search::vocabulary(library, None)?.query_names();
    Ok(BTreeMap::from([("names", names)]))
}

/// The photos that a query finds, and the query as a drawing.
#[derive(Serialize)]
struct Found<'a> {
    query: String,
    parts: Vec<DrawnPart>,
    total: usize,
    /// The kinds of people that are known, if people are asked for and these are few.
    #[serde(skip_serializing_if = "Option::is_none")]
    kinds_of_people: Option<Vec<String>>,
    photos: Vec<FoundPhoto<'a>>,
}

#[derive(Serialize)]
struct FoundPhoto<'a> {
    id: i64,
    #[serde(flatten)]
    hit: HitAnswer<'a>,
    /// The query that finds similar photos.
    similar: String,
}

/// A query that cannot be answered.
#[derive(Serialize)]
struct QueryFault<'a> {
    error: &'a str,
    /// First and last character that are wrong, as JavaScript counts them; the last is excluded.
    span: [usize; 2],
}

/// Searches; an error of the query says which characters are wrong.
pub(super) fn search(library: &Library, text: &str, limit: usize, all: bool) -> Outcome<Response> {
    let vocabulary = search::vocabulary(library, None)?;
    if vocabulary.is_empty() {
        return Err(Failure::invalid("nothing was indexed yet: `lorgnette index FOLDER` does it"));
    }
    let query = match vocabulary.parse(text) {
        Ok(query) => query,
        Err(error) => return Ok(query_fault(text, &error)),
    };
    let min_probability = if all { 0.0 } else { search::MIN_PROBABILITY };
    let options = SearchOptions {
        limit,
        min_probability,
        fold_copies: true,
        vocabulary: Some(&vocabulary),
        ..SearchOptions::default()
    };
    let results = library.search(&query, &options)?;
    let photos = results.hits.iter().map(|hit| FoundPhoto {
        id: hit.photo,
        hit: HitAnswer::new(hit, true),
        similar: Query::similar_to(&hit.path).to_string(),
    });
    json(&Found {
        query: query.to_string(),
        parts: query.drawing(),
        total: results.total,
        kinds_of_people: library.few_kinds_of_people(&query, &vocabulary, None)?,
        photos: photos.collect(),
    })
}

fn query_fault(text: &str, error: &QueryError) -> Response {
    let units = |end: usize| text.get(..end).map_or(0, |text| text.encode_utf16().count());
    let span = [units(error.span().start), units(error.span().end)];
    let fault = QueryFault { error: error.what(), span };
    json_response(400, serde_json::to_vec(&fault).unwrap_or_default())
}

/// A photo, and what is in it.
#[derive(Serialize)]
pub(super) struct PhotoDetails<'a> {
    id: i64,
    #[serde(flatten)]
    photo: PhotoAnswer<'a>,
    similar: String,
    findings: Vec<DetectionAnswer<'a>>,
}

impl<'a> PhotoDetails<'a> {
    pub(super) fn new(photo: &'a Photo, detections: &'a [Detection]) -> Self {
        Self {
            id: photo.id,
            photo: PhotoAnswer::new(photo),
            similar: Query::similar_to(&photo.path).to_string(),
            findings: detections.iter().map(DetectionAnswer::new).collect(),
        }
    }
}

/// Groups of duplicates.
#[derive(Serialize)]
pub(super) struct Duplicates {
    total: usize,
    groups: Vec<Group>,
}

#[derive(Serialize)]
struct Group {
    similarity: f64,
    /// The photo to keep comes first.
    photos: Vec<GroupedPhoto>,
}

#[derive(Serialize)]
struct GroupedPhoto {
    id: i64,
    photo: String,
    width: Option<u32>,
    height: Option<u32>,
    bytes: u64,
    taken: Option<String>,
}

/// Finds photos of equal bytes, or whose features are at least as similar as `near`.
pub(super) fn duplicates(
    library: &Library,
    near: Option<f64>,
    limit: usize,
) -> Outcome<Duplicates> {
    let groups = match (near, library.model_with_features()?) {
        (Some(threshold), Some(model)) => library.near_duplicates(model.id, threshold)?,
        (Some(_), None) => {
            return Err(Failure::invalid("the library has no features: index it with a network"));
        }
        (None, _) => library.duplicates()?,
    };
    let shown = groups.iter().take(limit).map(|group| Group::new(library, group));
    Ok(Duplicates { total: groups.len(), groups: shown.collect::<Outcome<_>>()? })
}

impl Group {
    fn new(library: &Library, group: &DuplicateGroup) -> Outcome<Self> {
        let photos = library.best_first(group)?.into_iter().map(|photo| GroupedPhoto {
            id: photo.id,
            photo: photo.path.to_string_lossy().into_owned(),
            width: photo.size.map(|[width, _]| width),
            height: photo.size.map(|[_, height]| height),
            bytes: photo.bytes,
            taken: photo.taken,
        });
        Ok(Self { similarity: group.similarity, photos: photos.collect() })
    }
}
