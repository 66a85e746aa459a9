//! Requests that come from this process instead of a connection.

use axum::body::Body;
use axum::http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use tower_service::Service as _;

use crate::server::Server;

/// A request without a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalRequest {
    /// The method, such as `POST`.
    pub method: String,
    /// The path and the query.
    pub path: String,
    /// The fields of the head.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

/// The answer to a [`LocalRequest`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalAnswer {
    /// The status of HTTP.
    pub status: u16,
    /// The fields of the head, then those behind the body.
    pub fields: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl LocalAnswer {
    /// Returns the value of a field.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let found = self.fields.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    fn add(&mut self, fields: &HeaderMap) {
        self.fields.extend(fields.iter().map(|(name, value)| {
            (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned())
        }));
    }
}

impl Server {
    /// Answers a request as if it had come over a connection; `None` if HTTP has no such request.
    #[must_use]
    pub fn answer(&self, request: LocalRequest) -> Option<LocalAnswer> {
        let LocalRequest { method, path, fields, body } = request;
        let mut head = Request::builder().method(method.as_str()).uri(path);
        for (name, value) in fields {
            head = head.header(name, value);
        }
        let request = head.body(Body::from(body)).ok()?;
        let mut router = self.router.clone();
        let answer = async move {
            let Ok(response) = router.call(request).await;
            let (head, body) = response.into_parts();
            let mut answer = LocalAnswer { status: head.status.as_u16(), ..LocalAnswer::default() };
            answer.add(&head.headers);
            // A body that breaks off is as long as it came.
            if let Ok(body) = body.collect().await {
                if let Some(trailers) = body.trailers() {
                    answer.add(trailers);
                }
                answer.body = body.to_bytes().into();
            }
            answer
        };
        self.runtime.as_ref().map(|runtime| runtime.block_on(answer))
    }
}
