//! Compressed answers for clients that accept them.

use std::io::Write as _;

use axum::body::{Body, to_bytes};
use axum::http::header::{
    ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderValue, VARY,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::{GzEncoder, ZlibEncoder};
use hyper::body::Body as _;

/// Smaller answers are sent as they are.
const MIN_BYTES: u64 = 4096;
/// Larger answers are compressed on a thread of their own.
const MAX_INLINE: u64 = 1 << 20;

/// An encoding of answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Gzip,
    Deflate,
}

impl Encoding {
    /// The encoding that a client accepts; gzip if it accepts both.
    pub(crate) fn accepted(headers: &HeaderMap) -> Option<Self> {
        let text = headers.get(ACCEPT_ENCODING)?.to_str().ok()?;
        let accepts = |name: &str| {
            text.split(',').any(|part| {
                let mut words = part.split(';').map(str::trim);
                let is_it = words.next().is_some_and(|word| word.eq_ignore_ascii_case(name));
                let is_refused =
                    words.any(|word| matches!(word, "q=0" | "q=0.0" | "q=0.00" | "q=0.000"));
                is_it && !is_refused
            })
        };
        if accepts("gzip") { Some(Self::Gzip) } else { accepts("deflate").then_some(Self::Deflate) }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
        }
    }

    fn compress(self, bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
            Self::Deflate => {
                let mut encoder = ZlibEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(bytes)?;
                encoder.finish()
            }
        }
    }
}

/// Compresses an answer if it is worth it: not pictures, which are compressed already, and not
/// gRPC, which compresses messages by itself.
pub(crate) async fn compressed(response: Response, encoding: Encoding) -> Response {
    let length = response.body().size_hint().exact().unwrap_or(0);
    let kind = response.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes).unwrap_or_default();
    let is_worth_it = [&b"application/json"[..], b"application/x-ndjson", b"text/"]
        .iter()
        .any(|start| kind.starts_with(start))
        || kind == b"application/octet-stream";
    if length < MIN_BYTES || !is_worth_it || response.status() != StatusCode::OK {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // All of it is in memory already.
    let Ok(bytes) = to_bytes(body, usize::MAX).await else {
        return Response::from_parts(parts, Body::empty());
    };
    let shared: Bytes = bytes.clone();
    let packed = match length > MAX_INLINE {
        true => {
            let work = tokio::task::spawn_blocking(move || encoding.compress(&shared));
            work.await.ok().and_then(Result::ok)
        }
        false => encoding.compress(&shared).ok(),
    };
    let Some(packed) = packed else { return Response::from_parts(parts, Body::from(bytes)) };
    parts.headers.remove(CONTENT_LENGTH);
    parts.headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding.name()));
    parts.headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    Response::from_parts(parts, Body::from(packed))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_say_what_they_accept() {
        let accepted = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_static(text));
            Encoding::accepted(&headers)
        };
        assert_eq!(accepted("deflate, gzip;q=0.5"), Some(Encoding::Gzip));
        assert_eq!(accepted("gzip;q=0, Deflate"), Some(Encoding::Deflate));
        assert_eq!(accepted("br, identity"), None);
        assert_eq!(Encoding::accepted(&HeaderMap::new()), None);
    }
}
