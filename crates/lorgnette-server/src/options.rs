//! How a server is started.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use lorgnette::ModelOptions;
use lorgnette::picture::OpenOptions;

use crate::config::ModelConfig;

/// Options of a server.
pub struct ServerOptions {
    /// The models.
    pub models: Vec<ModelConfig>,
    /// How models are opened.
    pub model_options: ModelOptions,
    /// Addresses to listen at. Every protocol is served at each.
    pub addresses: Vec<SocketAddr>,
    /// Allows addresses that other machines reach.
    pub allow_remote: bool,
    /// The token that requests need, in `Authorization: Bearer`.
    pub token: Option<String>,
    /// Certificate chain and private key in PEM.
    pub tls: Option<TlsFiles>,
    /// Time between two looks for new versions of models.
    pub poll: Duration,
    /// Number of requests that wait; more are refused.
    pub queue: usize,
    /// Maximum time from a request's head to its answer.
    pub timeout: Duration,
    /// Maximum time for a request's head to arrive.
    pub head_timeout: Duration,
    /// Maximum time for a request's body to arrive.
    pub body_timeout: Duration,
    /// Maximum bytes of a request's body.
    pub max_body: u64,
    /// Maximum bytes of the bodies of all requests at a time.
    pub body_memory: u64,
    /// Maximum number of samples in a request.
    pub max_batch: usize,
    /// Maximum number of open connections.
    pub max_connections: usize,
    /// Maximum time in which a client takes nothing of its answer.
    pub write_timeout: Duration,
    /// How photos are opened.
    pub photos: OpenOptions,
    /// A library of photos, for the pages `/library` and `/library/duplicates`.
    pub library: Option<PathBuf>,
    /// Allows clients to load and unload models.
    pub model_control: bool,
    /// Where the access log is written; `None` for no log.
    pub log: Option<Box<dyn Write + Send>>,
}

/// The files of a server's identity.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate and those that lead to its root.
    pub certificates: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Default for ServerOptions {
    /// No models, no addresses; 64 requests wait at most, each for 30 seconds.
    fn default() -> Self {
        Self {
            models: Vec::new(),
            model_options: ModelOptions::default(),
            addresses: Vec::new(),
            allow_remote: false,
            token: None,
            tls: None,
            poll: Duration::from_secs(1),
            queue: 64,
            timeout: Duration::from_secs(30),
            head_timeout: Duration::from_secs(20),
            body_timeout: Duration::from_secs(30),
            max_body: 64 << 20,
            body_memory: 1 << 30,
            max_batch: 256,
            max_connections: 1024,
            write_timeout: Duration::from_secs(30),
            library: None,
            photos: OpenOptions { max_pixels: 100_000_000, ..OpenOptions::default() },
            model_control: false,
            log: None,
        }
    }
}
