//! Why a request failed, and what each protocol makes of it.

use std::fmt;
use std::time::Duration;

/// The canonical codes of gRPC, by which all protocols classify failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)] // Their names are their descriptions.
pub enum Code {
    Ok,
    Cancelled,
    InvalidArgument,
    DeadlineExceeded,
    NotFound,
    ResourceExhausted,
    FailedPrecondition,
    Unimplemented,
    Internal,
    Unavailable,
    Unauthenticated,
    PermissionDenied,
    /// The method of HTTP does not fit the path.
    MethodNotAllowed,
    /// The body is larger than the server takes.
    TooLarge,
}

/// A failed request: a code, a message for people, and when to try again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The kind of failure.
    pub code: Code,
    /// The reason, and the remedy.
    pub message: String,
    /// When the request may succeed if it is sent again.
    pub retry_after: Option<Duration>,
}

/// A result that may be a failure of the request.
pub(crate) type Outcome<T> = Result<T, Failure>;

impl Failure {
    /// Creates a failure of that kind.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), retry_after: None }
    }

    /// Creates the failure of a request that is wrong in itself.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Code::InvalidArgument, message)
    }

    /// Creates the failure of a request for something that does not exist.
    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(Code::NotFound, message)
    }

    /// Creates the failure of a request that came while all queues or memory were full.
    pub fn full(what: &str, retry_after: Duration) -> Self {
        let message = format!("the server is full: {what}; try again later");
        let retry_after = Some(retry_after);
        Self { code: Code::ResourceExhausted, message, retry_after }
    }

    /// Returns the same failure with `place` in front of its message.
    #[must_use]
    pub fn at(mut self, place: &str) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Failure {}

impl From<lorgnette::Error> for Failure {
    fn from(error: lorgnette::Error) -> Self {
        use lorgnette::net::Error as Network;
        let code = match &error {
            lorgnette::Error::Cancelled => Code::Cancelled,
            lorgnette::Error::Network(Network::Memory { .. }) => Code::ResourceExhausted,
            _ => Code::InvalidArgument,
        };
        Self::new(code, error.to_string())
    }
}

impl From<lorgnette::net::Error> for Failure {
    fn from(error: lorgnette::net::Error) -> Self {
        lorgnette::Error::from(error).into()
    }
}

impl From<lorgnette::picture::PictureError> for Failure {
    fn from(error: lorgnette::picture::PictureError) -> Self {
        lorgnette::Error::from(error).into()
    }
}

impl Code {
    /// The name in TensorFlow's statuses, such as `INVALID_ARGUMENT`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::InvalidArgument | Self::MethodNotAllowed => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::ResourceExhausted | Self::TooLarge => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::Unauthenticated => "UNAUTHENTICATED",
            Self::PermissionDenied => "PERMISSION_DENIED",
        }
    }

    /// The status code of TensorFlow Serving's REST interface, and of everything but the Open
    /// Inference protocol.
    #[must_use]
    pub fn http(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::Cancelled => 499,
            Self::InvalidArgument | Self::FailedPrecondition => 400,
            Self::DeadlineExceeded => 504,
            Self::NotFound => 404,
            Self::ResourceExhausted => 429,
            Self::Unimplemented => 501,
            Self::Internal => 500,
            Self::Unavailable => 503,
            Self::Unauthenticated => 401,
            Self::PermissionDenied => 403,
            Self::MethodNotAllowed => 405,
            Self::TooLarge => 413,
        }
    }

    /// The status code of the Open Inference protocol as Triton answers it: 400 for everything that
    /// it does not name. Full queues and passed deadlines keep codes of their own, so that clients
    /// can tell them from wrong requests.
    #[must_use]
    pub fn open_inference_http(self) -> u16 {
        match self {
            Self::FailedPrecondition => 400,
            other => other.http(),
        }
    }

    /// The code of gRPC.
    #[must_use]
    pub fn grpc(self) -> tonic::Code {
        match self {
            Self::Ok => tonic::Code::Ok,
            Self::Cancelled => tonic::Code::Cancelled,
            Self::InvalidArgument | Self::MethodNotAllowed => tonic::Code::InvalidArgument,
            Self::DeadlineExceeded => tonic::Code::DeadlineExceeded,
            Self::NotFound => tonic::Code::NotFound,
            Self::ResourceExhausted | Self::TooLarge => tonic::Code::ResourceExhausted,
            Self::FailedPrecondition => tonic::Code::FailedPrecondition,
            Self::Unimplemented => tonic::Code::Unimplemented,
            Self::Internal => tonic::Code::Internal,
            Self::Unavailable => tonic::Code::Unavailable,
            Self::Unauthenticated => tonic::Code::Unauthenticated,
            Self::PermissionDenied => tonic::Code::PermissionDenied,
        }
    }
}

impl From<Failure> for tonic::Status {
    fn from(failure: Failure) -> Self {
        let mut status = Self::new(failure.code.grpc(), failure.message);
        if let Some(after) = failure.retry_after {
            let milliseconds = after.as_millis().to_string();
            if let Ok(value) = milliseconds.parse() {
                status.metadata_mut().insert("grpc-retry-pushback-ms", value);
            }
        }
        status
    }
}
