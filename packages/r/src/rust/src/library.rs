//! Libraries of photos: indexing and search.

use std::path::{Path, PathBuf};

use lorgnette_library::answer::HitAnswer;
use lorgnette_library::search::{self, SearchOptions};
use lorgnette_library::{IndexOptions, IndexRequest, Library};
use savvy::{savvy, FunctionSexp, ListSexp, OwnedListSexp, OwnedStringSexp, Sexp, StringSexp};
use serde_json::json;

use crate::answers::{
    columns, take_array, to_r, value, Field, Kind, BOTTOM, LEFT, NAME, PHOTO, PROBABILITY, RIGHT,
    SHARE, SYNSET, TOP,
};
use crate::error::{Failure, OrFail as _};
use crate::model::Model;
use crate::options::Options;
use crate::photo::OpenArguments;
use crate::work::interruptible;

const SCORE: Field = Field::new("score", "/score", Kind::Number);
/// Columns of photos that were found.
const HITS: [Field; 6] = [
    Field::new("rank", "/rank", Kind::Whole),
    PHOTO,
    SCORE,
    Field::new("width", "/width", Kind::Whole),
    Field::new("height", "/height", Kind::Whole),
    Field::new("taken", "/taken", Kind::Text),
];
/// Columns of what was found in them.
const MATCHES: [Field; 12] = [
    Field::new("rank", "/rank", Kind::Whole),
    PHOTO,
    NAME,
    SYNSET,
    Field::new("asked", "/asked", Kind::Text),
    LEFT,
    TOP,
    RIGHT,
    BOTTOM,
    PROBABILITY,
    SHARE,
    SCORE,
];

/// Opens a library; with `create`, makes it if there is none. Returns its number of photos.
/// @noRd
#[savvy]
fn open_library(path: &str, create: bool) -> savvy::Result<Sexp> {
    if create {
        Library::create(Path::new(path)).or_fail()?;
    }
    let library = Library::open_read_only(Path::new(path)).or_fail()?;
    let photos = library.statistics(None, 0).or_fail()?.present;
    to_r(&json!(photos))
}

/// Analyses the new and changed photos in folders. Returns the counts, and a line for each photo or
/// folder that failed.
/// @noRd
#[savvy]
fn index_photos(
    path: &str,
    folders: StringSexp,
    model: &Model,
    options: ListSexp,
    progress: Option<FunctionSexp>,
) -> savvy::Result<Sexp> {
    let folders: Vec<PathBuf> = folders.iter().map(PathBuf::from).collect();
    let options = Options::new(options);
    let map_side = options.count("map_side")?.unwrap_or(640);
    let open = OpenArguments::from_r(&options)?.options(model.inner());
    let options = IndexOptions { open, retry: options.flag("retry")?, ..IndexOptions::default() };
    let request = IndexRequest { library: path.into(), folders, map_side, options };
    let (counts, failed) = interruptible(progress.as_ref(), |watch| {
        let (summary, failed) = request.run(model.inner(), watch).or_fail()?;
        Ok((value(&summary), failed))
    })?;
    let mut list = OwnedListSexp::new(2, true)?;
    list.set_value(0, to_r(&counts)?)?;
    list.set_name(0, "counts")?;
    list.set_value(1, OwnedStringSexp::try_from_slice(failed)?)?;
    list.set_name(1, "errors")?;
    Ok(list.into())
}

/// Searches. Returns the number of photos that match, and the best as `photos` and `matches`.
/// @noRd
#[savvy]
fn search_photos(path: &str, query: &str, options: ListSexp) -> savvy::Result<Sexp> {
    let options = Options::new(options);
    let library = Library::open_read_only(Path::new(path)).or_fail()?;
    let vocabulary = search::vocabulary(&library, None).or_fail()?;
    // The error points at the word.
    let query = vocabulary.parse(query).map_err(|error| Failure::new(error.to_string()))?;
    let defaults = SearchOptions::default();
    let search_options = SearchOptions {
        limit: options.count("limit")?.unwrap_or(defaults.limit),
        min_probability: options.number("min_probability")?.unwrap_or(defaults.min_probability),
        vocabulary: Some(&vocabulary),
        ..defaults
    };
    let results = library.search(&query, &search_options).or_fail()?;
    let (mut hits, mut matches) = (Vec::new(), Vec::new());
    for (index, hit) in results.hits.iter().enumerate() {
        let mut hit = value(&HitAnswer::new(hit, false));
        hit["rank"] = (index + 1).into();
        for mut matched in take_array(&mut hit, "matches") {
            matched["rank"] = hit["rank"].clone();
            matched["photo"] = hit["photo"].clone();
            matches.push(matched);
        }
        hits.push(hit);
    }
    let mut list = OwnedListSexp::new(3, true)?;
    list.set_value(0, to_r(&json!(results.total))?)?;
    list.set_name(0, "total")?;
    list.set_value(1, columns(&hits, &HITS)?)?;
    list.set_name(1, "photos")?;
    list.set_value(2, columns(&matches, &MATCHES)?)?;
    list.set_name(2, "matches")?;
    Ok(list.into())
}
