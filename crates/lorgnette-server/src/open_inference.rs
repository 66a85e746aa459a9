//! The Open Inference Protocol (KServe v2) over REST, with Triton's extensions: binary tensors,
//! classification, statistics and the model repository.

mod answer;
mod binary;
mod describe;
mod request;
mod tensors;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method};
use axum::response::Response;

use self::answer::Answer;
pub(crate) use self::binary::{write_f32 as write_raw_f32, write_strings};
pub(crate) use self::describe::{EXTENSIONS, SERVER_NAME, index_state};
use self::request::InferRequest;
pub(crate) use self::tensors::{Data, Datatype, InferInput, classified};
use crate::app::{App, Deadline, failure_response, json_response, percent_decoded, response};
use crate::failure::{Code, Failure, Outcome};
use crate::json::{Value, parse};
use crate::registry::VersionChoice;
use crate::served::{OutputSpec, Served};

/// The header that says where JSON ends and binary tensors begin.
const HEADER_LENGTH: &str = "inference-header-content-length";
/// Bytes of memory that a byte of JSON may become.
const BYTES_OF_JSON: u64 = 8;

/// Answers `/v2` and everything below it.
pub(crate) async fn handle(State(app): State<Arc<App>>, request: Request) -> Response {
    answer(&app, request)
        .await
        .unwrap_or_else(|failure| failure_response(&failure, failure.code.open_inference_http()))
}

async fn answer(app: &Arc<App>, request: Request) -> Outcome<Response> {
    let path = request.uri().path().to_owned();
    let segments: Vec<String> =
        path[1..].split('/').map(percent_decoded).collect::<Outcome<_>>()?;
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let method = request.method().clone();
    let get = || only(&method, &Method::GET);
    match segments[1..] {
        [] | [""] => get().map(|()| json(describe::server())),
        ["health", "live"] => get().map(|()| json("{\"live\":true}")),
        ["health", "ready"] => get().map(|()| readiness(app.is_ready(), "{\"ready\":true}")),
        ["models", "stats"] => {
            get()?;
            Ok(json(describe::statistics(&app.registry.available())))
        }
        ["models", name, "stats"] => {
            get()?;
            // All versions, as Triton answers.
            app.registry.find(name, &VersionChoice::Latest)?;
            let mut all = app.registry.available();
            all.retain(|served| served.name == *name);
            Ok(json(describe::statistics(&all)))
        }
        ["models", name, ref rest @ ..] => {
            let (version, rest) = match rest {
                ["versions", version, rest @ ..] => (version_choice(version), rest),
                rest => (VersionChoice::Latest, rest),
            };
            match rest {
                [] => get()
                    .and_then(|()| Ok(json(describe::model(app, &*find(app, name, &version)?)))),
                ["ready"] => get().and_then(|()| model_ready(app, name, &version)),
                ["config"] => {
                    get().and_then(|()| Ok(json(describe::config(&*find(app, name, &version)?))))
                }
                ["stats"] => get()
                    .and_then(|()| Ok(json(describe::statistics(&[find(app, name, &version)?])))),
                ["infer"] => {
                    only(&method, &Method::POST)?;
                    infer(app, request, name, &version).await
                }
                _ => Err(unknown_path(&path)),
            }
        }
        ["repository", "index"] => {
            only(&method, &Method::POST)?;
            index(app, request).await
        }
        ["repository", "models", name, verb @ ("load" | "unload")] => {
            only(&method, &Method::POST)?;
            app.check_model_control()?;
            load_or_unload(app, name, verb).await
        }
        _ => Err(unknown_path(&path)),
    }
}

fn json(body: impl Into<axum::body::Body>) -> Response {
    json_response(200, body)
}

fn unknown_path(path: &str) -> Failure {
    Failure::not_found(format!("there is nothing at {path}"))
}

fn only(method: &Method, expected: &Method) -> Outcome<()> {
    // HEAD is answered as GET, without its body.
    let is_head = method == Method::HEAD && expected == Method::GET;
    match method == expected || is_head {
        true => Ok(()),
        false => {
            let message = format!("this path takes {expected}, not {method}");
            Err(Failure::new(Code::MethodNotAllowed, message))
        }
    }
}

fn readiness(is_ready: bool, body: &'static str) -> Response {
    if is_ready { json(body) } else { json_response(400, "{\"ready\":false}") }
}

/// A version is a number, or a label.
pub(crate) fn version_choice(version: &str) -> VersionChoice {
    match version.parse() {
        Ok(number) => VersionChoice::Number(number),
        Err(_) if version.is_empty() => VersionChoice::Latest,
        Err(_) => VersionChoice::Label(version.to_owned()),
    }
}

/// Finds a model for this protocol, in its words.
///
/// # Errors
/// [`Code::NotFound`].
pub(crate) fn find(app: &App, name: &str, version: &VersionChoice) -> Outcome<Arc<Served>> {
    app.registry.find(name, version).map_err(|_| {
        let message = match version {
            VersionChoice::Latest => format!("Request for unknown model: '{name}' is not found"),
            VersionChoice::Number(version) => {
                format!("Request for unknown model: '{name}' version {version} is not found")
            }
            VersionChoice::Label(label) => {
                format!("Request for unknown model: '{name}' has no version labelled '{label}'")
            }
        };
        Failure::not_found(message)
    })
}

fn model_ready(app: &App, name: &str, version: &VersionChoice) -> Outcome<Response> {
    if find(app, name, version).is_ok() {
        return Ok(json(format!("{{\"name\":{},\"ready\":true}}", crate::json::quoted(name))));
    }
    // A model that is configured but not available is not ready; others are not there.
    app.registry.statuses(name, &VersionChoice::Latest)?;
    Ok(readiness(false, ""))
}

async fn infer(
    app: &Arc<App>,
    request: Request,
    name: &str,
    version: &VersionChoice,
) -> Outcome<Response> {
    let served = find(app, name, version)?;
    let (parts, body) = request.into_parts();
    let Deadline(deadline) = *parts.extensions.get().expect("set around every handler");
    let header_length = header_length(&parts.headers)?;
    let (body, mut reservation) = app.read(&parts.headers, body).await?;
    let json_length = header_length.unwrap_or(body.len());
    if json_length > body.len() {
        return Err(Failure::invalid(format!(
            "{HEADER_LENGTH} says {json_length} bytes of JSON, but the body has {}",
            body.len()
        )));
    }
    let request = if header_length == Some(0) {
        InferRequest::of_raw_body(&served, body)
    } else {
        reservation.grow(BYTES_OF_JSON * json_length as u64)?;
        let json = parse(&body[..json_length]).map_err(|error| {
            Failure::invalid(format!("failed to parse the request JSON buffer: {error}"))
        })?;
        let binary = header_length.map(|length| body.slice(length..));
        InferRequest::from_json(&json, binary)?
    };
    let deadline = Deadline(match request.timeout_us {
        Some(timeout) => deadline.min(Instant::now() + Duration::from_micros(timeout)),
        None => deadline,
    });
    let [input] = <[InferInput; 1]>::try_from(request.inputs).map_err(|inputs| {
        let message = format!(
            "expected 1 inputs but got {} inputs for model '{name}'. Expected '{}'",
            inputs.len(),
            served.input.name
        );
        Failure::invalid(message)
    })?;
    let input = input.into_input(&served)?;
    let outputs = named_outputs(&served, request.outputs.iter().map(|output| &*output.name))?;
    let inference = app.infer(&served, input, outputs, deadline).await?;
    drop(reservation);
    let answer = Answer::new(&served, request.id, &inference, &request.outputs, request.is_binary)?;
    let mut response = match answer.binary.is_empty() {
        true => json(answer.json),
        false => {
            let length = answer.json.len();
            let body = [answer.json.as_bytes(), &answer.binary].concat();
            let mut response = response(200, "application/octet-stream", body);
            response.headers_mut().insert(HEADER_LENGTH, HeaderValue::from(length));
            response
        }
    };
    response.headers_mut().insert("x-model-version", HeaderValue::from(served.version));
    Ok(response)
}

/// The outputs of those names, or the first if there are none.
///
/// # Errors
/// [`Code::InvalidArgument`] for a name that the model does not have.
pub(crate) fn named_outputs<'a>(
    served: &Served,
    names: impl IntoIterator<Item = &'a str>,
) -> Outcome<Vec<OutputSpec>> {
    let mut outputs = Vec::new();
    for name in names {
        let output = served.output(name).ok_or_else(|| {
            Failure::invalid(format!(
                "unexpected inference output '{name}' for model '{}'",
                served.name
            ))
        })?;
        outputs.push(output.named(name));
    }
    if outputs.is_empty() {
        outputs.push(served.outputs[0].clone());
    }
    Ok(outputs)
}

fn header_length(headers: &HeaderMap) -> Outcome<Option<usize>> {
    let Some(value) = headers.get(HEADER_LENGTH) else { return Ok(None) };
    let length = value.to_str().ok().and_then(|text| text.parse().ok());
    length.map(Some).ok_or_else(|| Failure::invalid(format!("{HEADER_LENGTH} is no length")))
}

async fn index(app: &App, request: Request) -> Outcome<Response> {
    let (parts, body) = request.into_parts();
    let (body, _reservation) = app.read(&parts.headers, body).await?;
    let only_ready = match &body[..] {
        b"" => false,
        body => {
            let request = parse(body).map_err(Failure::invalid)?;
            request.get("ready").and_then(Value::as_bool).unwrap_or(false)
        }
    };
    Ok(json(describe::index(&app.registry.index(), only_ready)))
}

async fn load_or_unload(app: &Arc<App>, name: &str, verb: &str) -> Outcome<Response> {
    let (app, name, is_load) = (app.clone(), name.to_owned(), verb == "load");
    // Loading reads files and computes.
    let work = move || match is_load {
        true => app.registry.load(&name),
        false => app.registry.unload(&name),
    };
    let outcome = tokio::task::spawn_blocking(work).await;
    outcome.unwrap_or_else(|_| Err(Failure::new(Code::Internal, "loading failed")))?;
    Ok(response(200, "application/json", ""))
}
