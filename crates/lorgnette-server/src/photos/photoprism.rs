//! `POST /api/v1/vision/labels`: PhotoPrism's request for labels of its thumbnails.
//!
//! Images come as `data:` URLs or bare base64. URLs of other servers are not fetched.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::Response;
use bytes::Bytes;
use lorgnette::Classifier;
use serde_json::{Value as Json, json};

use super::upload::Photo;
use crate::app::{App, Deadline, json_response};
use crate::failure::{Code, Failure, Outcome};
use crate::json::{Value, parse};
use crate::metrics::Times;
use crate::registry::VersionChoice;
use crate::scheduler::Turn;
use crate::served::{Pending, Served};
use crate::tensorflow_serving::decode_base64;

/// Labels of a photo, at most.
const MAX_LABELS: usize = 5;
/// Probability of a label, at least, as PhotoPrism's own classification has it by default.
const MIN_PROBABILITY: f32 = 0.1;

pub(crate) async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    let mut id = String::new();
    match labels(&app, request, &mut id).await {
        Ok(answer) => json_response(200, answer.to_string()),
        Err(failure) => {
            let code = failure.code.http();
            let answer = json!({"id": id, "code": code, "error": failure.message, "result": {}});
            json_response(code, answer.to_string())
        }
    }
}

async fn labels(app: &App, request: Request, id: &mut String) -> Outcome<Json> {
    let (parts, body) = request.into_parts();
    let deadline: Deadline = *parts.extensions.get().expect("set around every handler");
    let (body, _reservation) = app.read(&parts.headers, body).await?;
    let request = parse(&body).map_err(Failure::invalid)?;
    drop(body);
    let text = |name: &str| request.get(name).and_then(Value::as_str).unwrap_or_default();
    text("id").clone_into(id);
    let served = served(app, text("model"))?;
    let images = match (request.get("images"), request.get("url")) {
        (Some(Value::Array(images)), _) if !images.is_empty() => images.clone(),
        (_, Some(url @ Value::String(_))) => vec![url.clone()],
        _ => return Err(Failure::invalid("there is no image: send 'images' as data: URLs")),
    };
    if images.len() > served.max_batch() {
        return Err(Failure::invalid(format!("at most {} images", served.max_batch())));
    }
    // Several images are thumbnails of one photo: a label counts with its best probability.
    let mut best: Vec<(String, f32)> = Vec::new();
    for image in images {
        let photo = Photo { name: "the image".into(), file: image_file(&image)? };
        for (name, probability) in classify(app, &served, photo, deadline).await? {
            match best.iter_mut().find(|(known, _)| *known == name) {
                Some((_, known)) => *known = known.max(probability),
                None => best.push((name, probability)),
            }
        }
    }
    best.sort_by(|a, b| b.1.total_cmp(&a.1));
    best.truncate(MAX_LABELS);
    let labels: Vec<Json> = best
        .iter()
        .map(|(name, probability)| {
            json!({
                "name": name,
                "source": "image",
                "confidence": probability,
                "topicality": probability,
            })
        })
        .collect();
    let (height, version) = (served.facts().preprocess().height, served.version.to_string());
    Ok(json!({
        "id": id,
        "code": 200,
        "model": {"type": "labels", "name": served.name, "version": version, "resolution": height},
        "result": {"labels": labels},
    }))
}

/// The model of that name, or the only one; PhotoPrism names its own models.
fn served(app: &App, name: &str) -> Outcome<Arc<Served>> {
    let named = app.registry.find(name, &VersionChoice::Latest);
    let available = app.registry.available();
    match (named, &available[..]) {
        (Ok(served), _) => Ok(served),
        (Err(_), [served]) => Ok(served.clone()),
        (Err(failure), _) => Err(failure),
    }
}

fn image_file(image: &Value) -> Outcome<Bytes> {
    let text = image.as_str().ok_or_else(|| Failure::invalid("an image is a string"))?;
    let data = match text.split_once(':') {
        None => text,
        Some(("data", data)) => match data.split_once(',') {
            Some((kind, data)) if kind.ends_with(";base64") => data,
            _ => return Err(Failure::invalid("a data: URL that is not base64")),
        },
        Some(_) => {
            let message = "images of other servers are not fetched: send them as data: URLs, with \
                           'FileScheme: data' in PhotoPrism's vision.yml";
            return Err(Failure::invalid(message));
        }
    };
    decode_base64(data)
}

async fn classify(
    app: &App,
    served: &Arc<Served>,
    photo: Photo,
    deadline: Deadline,
) -> Outcome<Vec<(String, f32)>> {
    let pending = Pending::new(&served.metrics);
    let shared = served.clone();
    let work = move |turn: &Turn| {
        let picture = shared.limits().open_photo(&photo.file, &photo.name)?;
        let classifier = Classifier::new(shared.model(turn).clone())?;
        let classification = classifier.classify(&picture, MAX_LABELS)?;
        if classification.is_rejected {
            return Ok((Vec::new(), turn.queued));
        }
        let predictions = classification.predictions.into_iter();
        let labels = predictions
            .filter(|prediction| prediction.probability >= MIN_PROBABILITY)
            .map(|prediction| {
                let first = prediction.name.split(',').next().unwrap_or_default();
                (first.trim().to_lowercase(), prediction.probability)
            });
        Ok((labels.collect(), turn.queued))
    };
    let outcome = app.scheduler.run(deadline.0, work).await;
    app.count_refused(outcome.as_ref().err());
    let times = |queue| Times { queue, ..Times::default() };
    let counted: Result<Times, Code> =
        outcome.as_ref().map(|(_, queued)| times(*queued)).map_err(|failure| failure.code);
    pending.finish(counted.as_ref().map(|times| (1, times)).map_err(|code| *code));
    outcome.map(|(labels, _)| labels)
}
