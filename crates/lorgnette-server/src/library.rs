//! The library of photos at `/v1/library`: search, pictures, corrections and duplicates, for the
//! page `/library`.
//!
//! Only photos of the library are ever read, by their numbers in it, and what is sent of them is
//! made anew: pixels without the file's other contents.

mod answers;
mod guard;
mod pictures;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Path as UrlPath, Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::Response;
use axum::routing::{get, post};
use lorgnette::picture::OpenOptions;
use lorgnette_library::{Correction, Error, Library, Photo};
use serde::{Deserialize, Serialize};

use self::guard::check_caller;
use self::pictures::{Cache, Key};
use crate::app::{App, Deadline, failure_response, json_response, response};
use crate::failure::{Code, Failure, Outcome};
use crate::photos::Query;
use crate::scheduler::Turn;

pub(crate) use self::guard::check_site;

/// A library that is served. Each thread that answers has a connection of its own.
pub(crate) struct Shelf {
    path: PathBuf,
    readers: Mutex<Vec<Library>>,
    pictures: Mutex<Cache>,
    /// How photos are opened.
    open: OpenOptions,
}

/// Sides that pictures of photos may have.
const SIDES: std::ops::RangeInclusive<usize> = 16..=2048;
/// Default side of a picture.
const SIDE: usize = 480;
/// Default number of photos of a search.
const PHOTOS: usize = 24;
/// Maximum number of photos of a search.
const MAX_PHOTOS: usize = 1000;
/// Default number of groups of duplicates.
const GROUPS: usize = 50;
/// Maximum number of groups of duplicates.
const MAX_GROUPS: usize = 1000;
/// Maximum bytes of a correction.
const MAX_CORRECTION: usize = 4096;
/// Memory of SQLite for all connections.
const SQLITE_BYTES: u64 = 1 << 30;

impl Shelf {
    /// Opens a library; one of an older version is migrated.
    ///
    /// # Errors
    /// If the file is not a library.
    pub(crate) fn open(path: &Path, open: OpenOptions) -> Result<Self, Error> {
        lorgnette_library::limit_memory(SQLITE_BYTES)?;
        let library = match Library::open_read_only(path) {
            Err(Error::OlderVersion { .. }) => {
                drop(Library::open(path)?);
                Library::open_read_only(path)?
            }
            library => library?,
        };
        let (path, readers) = (path.to_owned(), Mutex::new(vec![library]));
        Ok(Self { path, readers, pictures: Mutex::default(), open })
    }

    /// Passes a connection to `read`.
    fn read<T>(&self, read: impl FnOnce(&Library) -> Outcome<T>) -> Outcome<T> {
        let idle = self.readers().pop();
        let library = idle.map_or_else(|| Library::open_read_only(&self.path), Ok)?;
        let outcome = read(&library);
        self.readers().push(library);
        outcome
    }

    fn readers(&self) -> std::sync::MutexGuard<'_, Vec<Library>> {
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the record of a photo.
    ///
    /// # Errors
    /// [`Code::NotFound`].
    fn photo(library: &Library, id: i64) -> Outcome<Photo> {
        let missing = || Failure::not_found(format!("the library has no photo {id}"));
        library.photo_by_id(id)?.ok_or_else(missing)
    }

    /// Stores a correction, or removes all of a photo.
    fn correct(&self, id: i64, correction: Option<&Correction>) -> Outcome<()> {
        let path = self.read(|library| Ok(Self::photo(library, id)?.path))?;
        let mut library = Library::open(&self.path)?;
        match correction {
            Some(correction) => library.correct(&path, correction)?,
            None => drop(library.uncorrect(&path)?),
        }
        Ok(())
    }

    /// Returns a picture of a photo as JPEG, its longer side at most `side`.
    fn picture(&self, id: i64, side: usize) -> Outcome<Bytes> {
        let photo = self.read(|library| Self::photo(library, id))?;
        let key = Key { photo: id, modified: photo.modified, side };
        let cache = || self.pictures.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(picture) = cache().get(&key) {
            return Ok(picture);
        }
        let picture = pictures::reduced(&photo.path, side, &self.open)?;
        cache().put(key, picture.clone());
        Ok(picture)
    }
}

/// The routes of the library.
pub(crate) fn routes() -> Router<Arc<App>> {
    Router::new()
        .route("/v1/library", get(summary))
        .route("/v1/library/vocabulary", get(vocabulary))
        .route("/v1/library/search", get(search))
        .route("/v1/library/duplicates", get(duplicates))
        .route("/v1/library/photos/{id}", get(photo))
        .route("/v1/library/photos/{id}/picture", get(picture))
        .route("/v1/library/photos/{id}/corrections", post(correct).delete(undo))
}

async fn summary(State(app): State<Arc<App>>, request: Request) -> Response {
    respond(&app, request.into_parts().0, |shelf, _| json(&shelf.read(answers::summary)?)).await
}

async fn vocabulary(State(app): State<Arc<App>>, request: Request) -> Response {
    respond(&app, request.into_parts().0, |shelf, _| json(&shelf.read(answers::vocabulary)?)).await
}

async fn search(State(app): State<Arc<App>>, request: Request) -> Response {
    let answer = |shelf: &Shelf, query: &Query| {
        query.check(&["q", "limit", "all"])?;
        let text = query.get("q").unwrap_or_default();
        let limit = limit(query, PHOTOS, MAX_PHOTOS)?;
        let all = query.get("all").is_some_and(|value| value != "false");
        shelf.read(|library| answers::search(library, text, limit, all))
    };
    respond(&app, request.into_parts().0, answer).await
}

async fn duplicates(State(app): State<Arc<App>>, request: Request) -> Response {
    let answer = |shelf: &Shelf, query: &Query| {
        query.check(&["near", "limit"])?;
        let is_cosine = |value: &f64| (0.5..=1.0).contains(value);
        let near = query.number("near", "a similarity from 0.5 to 1", is_cosine)?;
        let limit = limit(query, GROUPS, MAX_GROUPS)?;
        json(&shelf.read(|library| answers::duplicates(library, near, limit))?)
    };
    respond(&app, request.into_parts().0, answer).await
}

async fn photo(
    State(app): State<Arc<App>>,
    UrlPath(id): UrlPath<String>,
    request: Request,
) -> Response {
    respond(&app, request.into_parts().0, move |shelf, _| photo_answer(shelf, number(&id)?)).await
}

async fn picture(
    State(app): State<Arc<App>>,
    UrlPath(id): UrlPath<String>,
    request: Request,
) -> Response {
    let answer = move |shelf: &Shelf, query: &Query| {
        query.check(&["side"])?;
        let fits = |side: &usize| SIDES.contains(side);
        let side = query.number("side", "a number of pixels, 16 to 2048", fits)?.unwrap_or(SIDE);
        let mut response = response(200, "image/jpeg", shelf.picture(number(&id)?, side)?);
        let cached = HeaderValue::from_static("private, max-age=300");
        response.headers_mut().insert(CACHE_CONTROL, cached);
        Ok(response)
    };
    respond(&app, request.into_parts().0, answer).await
}

/// A correction as JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CorrectionRequest {
    wrong: Option<String>,
    right: Option<String>,
    #[serde(rename = "box")]
    bounds: Option<[f64; 4]>,
    #[serde(default)]
    new_name: bool,
}

async fn correct(
    State(app): State<Arc<App>>,
    UrlPath(id): UrlPath<String>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let correction = match read_correction(&app, &parts.headers, body).await {
        Ok(correction) => correction,
        Err(failure) => return failure_response(&failure, failure.code.http()),
    };
    let answer = move |shelf: &Shelf, _: &Query| {
        let id = number(&id)?;
        shelf.correct(id, Some(&correction))?;
        photo_answer(shelf, id)
    };
    respond(&app, parts, answer).await
}

async fn undo(
    State(app): State<Arc<App>>,
    UrlPath(id): UrlPath<String>,
    request: Request,
) -> Response {
    let answer = move |shelf: &Shelf, _: &Query| {
        let id = number(&id)?;
        shelf.correct(id, None)?;
        photo_answer(shelf, id)
    };
    respond(&app, request.into_parts().0, answer).await
}

async fn read_correction(app: &App, headers: &HeaderMap, body: Body) -> Outcome<Correction> {
    // Forms of other sites' pages cannot send this type.
    let is_json = headers
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    if !is_json {
        return Err(Failure::invalid("a correction is JSON: send Content-Type: application/json"));
    }
    let (body, _reservation) = app.read(headers, body).await?;
    if body.len() > MAX_CORRECTION {
        return Err(Failure::invalid("a correction has at most 4096 bytes"));
    }
    let request: CorrectionRequest = serde_json::from_slice(&body)
        .map_err(|error| Failure::invalid(format!("the correction cannot be read: {error}")))?;
    let CorrectionRequest { wrong, right, bounds, new_name } = request;
    Ok(Correction { wrong, right, bounds, new_name })
}

fn photo_answer(shelf: &Shelf, id: i64) -> Outcome<Response> {
    shelf.read(|library| {
        let photo = Shelf::photo(library, id)?;
        json(&answers::PhotoDetails::new(&photo, &library.detections(&photo.path)?))
    })
}

/// Answers a request on one of the threads that compute, when its turn comes.
async fn respond(
    app: &Arc<App>,
    parts: Parts,
    answer: impl FnOnce(&Shelf, &Query) -> Outcome<Response> + Send + 'static,
) -> Response {
    let outcome = run(app, &parts, answer).await;
    app.count_refused(outcome.as_ref().err());
    let mut response =
        outcome.unwrap_or_else(|failure| failure_response(&failure, failure.code.http()));
    let headers = response.headers_mut();
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let policy = HeaderName::from_static("cross-origin-resource-policy");
    headers.insert(policy, HeaderValue::from_static("same-origin"));
    response
}

async fn run(
    app: &Arc<App>,
    parts: &Parts,
    answer: impl FnOnce(&Shelf, &Query) -> Outcome<Response> + Send + 'static,
) -> Outcome<Response> {
    let shelf = app.shelf.clone().ok_or_else(|| {
        Failure::not_found("this server has no library of photos: start it with --library FILE")
    })?;
    check_caller(app.is_any_host_allowed(), parts)?;
    let deadline: Deadline = *parts.extensions.get().expect("set around every handler");
    let query = Query::parse(parts.uri.query().unwrap_or_default())?;
    app.scheduler.run(deadline.0, move |_: &Turn| answer(&shelf, &query)).await
}

fn number(id: &str) -> Outcome<i64> {
    id.parse().map_err(|_| Failure::not_found("a photo of the library has a number"))
}

fn limit(query: &Query, default: usize, max: usize) -> Outcome<usize> {
    let fits = |limit: &usize| *limit <= max;
    let limit = query.number("limit", &format!("a number up to {max}"), fits)?;
    Ok(limit.unwrap_or(default))
}

fn json(answer: &impl Serialize) -> Outcome<Response> {
    let body = serde_json::to_vec(answer)
        .map_err(|error| Failure::new(Code::Internal, error.to_string()))?;
    Ok(json_response(200, body))
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        use lorgnette_library::DatabaseErrorKind as Kind;
        let code = match (&error, error.database_kind()) {
            (_, Some(Kind::Busy)) => Code::Unavailable,
            (_, Some(Kind::OutOfMemory)) => Code::ResourceExhausted,
            (_, Some(Kind::ReadOnly | Kind::DiskFull)) => Code::FailedPrecondition,
            (_, Some(_)) | (Error::Missing { .. } | Error::NotALibrary { .. }, _) => Code::Internal,
            _ => Code::InvalidArgument,
        };
        Self::new(code, error.to_string())
    }
}
