//! Photos of a request: its body, or the files of a form.

use axum::body::Body;
use axum::extract::{FromRequest as _, Multipart, Request};
use axum::http::HeaderMap;
use axum::http::header::CONTENT_TYPE;
use bytes::Bytes;

use super::query::Query;
use crate::failure::{Failure, Outcome};

/// A photo's file and its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Photo {
    pub(super) name: String,
    pub(super) file: Bytes,
}

/// Maximum characters of a photo's name.
const MAX_NAME: usize = 255;

/// Reads the photos of a body.
///
/// # Errors
/// If there is none.
pub(super) async fn photos(headers: &HeaderMap, query: &Query, body: Bytes) -> Outcome<Vec<Photo>> {
    let is_form = headers.get(CONTENT_TYPE).is_some_and(|value| {
        value
            .as_bytes()
            .get(..20)
            .is_some_and(|kind| kind.eq_ignore_ascii_case(b"multipart/form-data;"))
    });
    let photos = match is_form {
        true => form(headers, body).await?,
        false => vec![Photo { name: photo_name(query.get("name").unwrap_or("photo")), file: body }],
    };
    match photos.first() {
        None => Err(Failure::invalid("the form has no file")),
        Some(photo) if photo.file.is_empty() && photos.len() == 1 => {
            Err(Failure::invalid("there is no photo: send its file as the body, or in a form"))
        }
        Some(_) => Ok(photos),
    }
}

async fn form(headers: &HeaderMap, body: Bytes) -> Outcome<Vec<Photo>> {
    let broken = |error: &dyn std::fmt::Display| {
        Failure::invalid(format!("the form cannot be read: {error}"))
    };
    let mut request = Request::new(Body::from(body));
    if let Some(kind) = headers.get(CONTENT_TYPE) {
        request.headers_mut().insert(CONTENT_TYPE, kind.clone());
    }
    // The whole body was limited before.
    request.extensions_mut().insert(axum::extract::DefaultBodyLimit::disable());
    let mut form = Multipart::from_request(request, &()).await.map_err(|error| broken(&error))?;
    let mut photos = Vec::new();
    while let Some(field) = form.next_field().await.map_err(|error| broken(&error))? {
        let name = field.file_name().map(str::to_owned);
        let file = field.bytes().await.map_err(|error| broken(&error))?;
        // Fields without a file are texts.
        if let Some(name) = name {
            photos.push(Photo { name: photo_name(&name), file });
        }
    }
    Ok(photos)
}

/// A name that is only a label: no path, no control characters.
fn photo_name(name: &str) -> String {
    let last = name.rsplit(['/', '\\']).next().unwrap_or_default();
    let plain: String = last.chars().filter(|c| !c.is_control()).take(MAX_NAME).collect();
    if plain.is_empty() { "photo".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use super::photo_name;

    #[test]
    fn names_are_no_paths() {
        assert_eq!(photo_name("../../etc/passwd"), "passwd");
        assert_eq!(photo_name("C:\\photos\\cat.jpg"), "cat.jpg");
        assert_eq!(photo_name("a\n\u{1b}[31mb"), "a[31mb");
        assert_eq!(photo_name("/"), "photo");
        assert_eq!(photo_name(&"x".repeat(9999)).len(), 255);
    }
}
