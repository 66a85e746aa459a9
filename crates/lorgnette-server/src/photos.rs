//! `POST /v1/classify`, `/v1/map`, `/v1/embed`, `/v1/faces` and `/v1/blur`: photos as they are,
//! answered as the program's `--format json` prints, or as pictures or tensors if `Accept` asks for
//! these.

mod answer;
mod faces;
mod photoprism;
mod query;
mod upload;

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Instant;

use axum::extract::{Request, State};
use axum::http::header::ACCEPT;
use axum::http::{HeaderMap, HeaderValue};
use axum::response::Response;
use lorgnette::answer::FailedPhoto;
use lorgnette::{Observer, Progress};

pub(crate) use self::faces::Faces;
pub(crate) use self::photoprism::handle as handle_photoprism;
pub(crate) use self::query::Query;

use self::answer::{Answer, Task};
use self::upload::{Photo, photos};
use crate::app::{App, Deadline, failure_response, response};
use crate::failure::{Code, Failure, Outcome};
use crate::metrics::Times;
use crate::registry::VersionChoice;
use crate::scheduler::Turn;
use crate::served::{Pending, Served};

/// The format of an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Png,
    Jpeg,
    Npy,
}

/// The verbs for photos.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Faces,
    Model(ModelVerb),
}

/// Those of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ModelVerb {
    Classify,
    Map,
    Embed,
    Blur,
}

pub(crate) async fn classify(State(app): State<Arc<App>>, request: Request) -> Response {
    respond(&app, request, Verb::Model(ModelVerb::Classify)).await
}

pub(crate) async fn map(State(app): State<Arc<App>>, request: Request) -> Response {
    respond(&app, request, Verb::Model(ModelVerb::Map)).await
}

pub(crate) async fn embed(State(app): State<Arc<App>>, request: Request) -> Response {
    respond(&app, request, Verb::Model(ModelVerb::Embed)).await
}

pub(crate) async fn faces(State(app): State<Arc<App>>, request: Request) -> Response {
    respond(&app, request, Verb::Faces).await
}

pub(crate) async fn blur(State(app): State<Arc<App>>, request: Request) -> Response {
    respond(&app, request, Verb::Model(ModelVerb::Blur)).await
}

async fn respond(app: &Arc<App>, request: Request, verb: Verb) -> Response {
    let outcome = answer(app, request, verb).await;
    outcome.unwrap_or_else(|failure| failure_response(&failure, failure.code.http()))
}

async fn answer(app: &Arc<App>, request: Request, verb: Verb) -> Outcome<Response> {
    let (parts, body) = request.into_parts();
    let deadline: Deadline = *parts.extensions.get().expect("set around every handler");
    let query = Query::parse(parts.uri.query().unwrap_or_default())?;
    let format = format(&query, &parts.headers)?;
    let task = Arc::new(Task::new(verb, format, &query, app)?);
    let (body, reservation) = app.read(&parts.headers, body).await?;
    let photos = photos(&parts.headers, &query, body).await?;
    let is_single = photos.len() == 1;
    let max_photos = task.limits().batch;
    if photos.len() > max_photos {
        let message = format!("a request has at most {max_photos} photos");
        return Err(Failure::invalid(message));
    }
    if !is_single && format != Format::Json {
        return Err(Failure::invalid("several photos are only answered with JSON"));
    }
    let mut lines = Vec::new();
    for photo in photos {
        let name = photo.name.clone();
        match run(app, &task, photo, deadline).await {
            Ok(answer) if is_single => return Ok(answer.into_response()),
            Ok(answer) => lines.extend_from_slice(&answer.body),
            Err(failure) if is_single => return Err(failure),
            // One bad photo does not end a request of several.
            Err(failure) if failure.code == Code::InvalidArgument => {
                let failed = FailedPhoto::new(&name, &failure);
                lines.extend(serde_json::to_vec(&failed).unwrap_or_default());
            }
            Err(failure) => return Err(failure),
        }
        lines.push(b'\n');
    }
    drop(reservation);
    Ok(response(200, "application/x-ndjson", lines))
}

/// Answers about one photo when its turn comes.
async fn run(app: &App, task: &Arc<Task>, photo: Photo, deadline: Deadline) -> Outcome<Answer> {
    let pending = Pending::new(&task.metrics());
    let task = task.clone();
    let work = move |turn: &Turn| {
        let started = Instant::now();
        let picture = task.limits().open_photo(&photo.file, &photo.name)?;
        let decode = started.elapsed();
        turn.check()?;
        let started = Instant::now();
        let answer = task.answer(turn, &picture, &photo.file);
        // Where someone has gone meanwhile, the reason is that.
        let answer = answer.map_err(|failure| turn.check().err().unwrap_or(failure))?;
        let network = started.elapsed();
        Ok((answer, Times { queue: turn.queued, decode, network, ..Times::default() }))
    };
    let outcome = app.scheduler.run(deadline.0, work).await;
    app.count_refused(outcome.as_ref().err());
    pending.finish(outcome.as_ref().map(|(_, times)| (1, times)).map_err(|failure| failure.code));
    outcome.map(|(answer, _)| answer)
}

/// Stops long computations that nobody waits for.
struct StopWithTurn<'a>(&'a Turn);

impl Observer for StopWithTurn<'_> {
    fn event(&mut self, _: &Progress) -> ControlFlow<()> {
        if self.0.check().is_ok() { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
    }
}

/// The model that a request names, or the only one.
fn served(app: &App, query: &Query) -> Outcome<Arc<Served>> {
    let version = match (query.get("version"), query.get("label")) {
        (Some(version), None) => {
            VersionChoice::Number(version.parse().map_err(|_| {
                Failure::invalid(format!("version={version}: a version is a number"))
            })?)
        }
        (None, Some(label)) => VersionChoice::Label(label.to_owned()),
        (None, None) => VersionChoice::Latest,
        (Some(_), Some(_)) => return Err(Failure::invalid("give a version or a label, not both")),
    };
    if let Some(name) = query.get("model") {
        return app.registry.find(name, &version);
    }
    let names: Vec<String> = app.registry.index().into_iter().map(|(name, _)| name).collect();
    match &names[..] {
        [name] => app.registry.find(name, &version),
        names => Err(Failure::invalid(format!(
            "which model? Name one with ?model=NAME: {}",
            names.join(", ")
        ))),
    }
}

/// The format that the request asks for.
fn format(query: &Query, headers: &HeaderMap) -> Outcome<Format> {
    if let Some(name) = query.get("format") {
        return match name {
            "json" => Ok(Format::Json),
            "png" => Ok(Format::Png),
            "jpeg" | "jpg" => Ok(Format::Jpeg),
            "npy" => Ok(Format::Npy),
            other => {
                Err(Failure::invalid(format!("format={other}: choose one of json, png, jpeg, npy")))
            }
        };
    }
    let accept = headers.get(ACCEPT).map(HeaderValue::to_str).and_then(Result::ok);
    let types = accept.unwrap_or_default().split(',').map(|part| part.split(';').next());
    let known = |name: Option<&str>| match name?.trim() {
        "application/json" | "application/x-ndjson" | "*/*" => Some(Format::Json),
        "image/png" => Some(Format::Png),
        "image/jpeg" => Some(Format::Jpeg),
        "application/x-npy" => Some(Format::Npy),
        _ => None,
    };
    Ok(types.into_iter().find_map(known).unwrap_or(Format::Json))
}
