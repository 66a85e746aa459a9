//! `lorgnette serve`: a server for TensorFlow Serving's and Triton's clients, and for photos.

use std::fs::{self, File};
use std::io::Write;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Error, Result, anyhow, bail, ensure};
use clap::Args;
use lorgnette::picture::OpenOptions;
use lorgnette::{EMBEDDED_NAME, ModelRef};
use lorgnette_server::{
    ModelConfig, ModelSource, Server, ServerOptions, StartError, TlsFiles, check_name,
};

use crate::Outcome;
use crate::arguments::Global;
use crate::messages::{Messages, count};

/// Serve models over HTTP and gRPC
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// Models: a published name or a path, as --model takes it, or a folder with numbered versions;
    /// under the name in front of '=', else that of the file [default: the model of --model]
    #[arg(value_name = "NAME=M")]
    models: Vec<String>,

    /// Serve every model in a folder; each may have numbered versions, the newest is served
    #[arg(long, value_name = "DIR", alias = "model_dir")]
    model_dir: Vec<PathBuf>,

    /// Serve the models of a TensorFlow Serving model configuration file
    #[arg(long, value_name = "FILE", alias = "model_config_file")]
    config: Option<PathBuf>,

    /// Address of REST; gRPC is answered there too
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8501")]
    http: SocketAddr,

    /// Address of gRPC; REST is answered there too
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:8500")]
    grpc: SocketAddr,

    /// A further address, for metrics: Triton's port is 8002
    #[arg(long, value_name = "HOST:PORT")]
    metrics: Option<SocketAddr>,

    /// Allow addresses that other machines reach
    #[arg(long)]
    allow_remote: bool,

    /// A file with the token that requests must have, in Authorization: Bearer
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,

    /// The server's certificates (PEM); with --tls-key
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_certificate: Option<PathBuf>,

    /// The server's private key (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_certificate")]
    tls_key: Option<PathBuf>,

    /// Serve a library of photos, at /library: search by words and by drawing, corrections,
    /// duplicates
    #[arg(long, value_name = "FILE")]
    library: Option<PathBuf>,

    /// Let clients load and unload models
    #[arg(long)]
    model_control: bool,

    /// Seconds between two looks for new versions of models
    #[arg(long, value_name = "S", default_value = "1", value_parser = seconds)]
    poll: Duration,

    /// Requests that wait for a core; more are refused with code 429
    #[arg(long, value_name = "N", default_value_t = ServerOptions::default().queue)]
    queue: usize,

    /// Seconds for a request from its head to its answer
    #[arg(long, value_name = "S", default_value = "30", value_parser = seconds)]
    timeout: Duration,

    /// Maximum size of a request's body
    #[arg(long, value_name = "MIB", default_value_t = 64)]
    max_body: u32,

    /// Maximum memory of the bodies of all requests
    #[arg(long, value_name = "MIB", default_value_t = 1024)]
    body_memory: u32,

    /// Maximum samples of a request
    #[arg(long, value_name = "N", default_value_t = ServerOptions::default().max_batch)]
    max_batch: usize,

    /// Maximum connections
    #[arg(long, value_name = "N", default_value_t = ServerOptions::default().max_connections)]
    max_connections: usize,

    /// Maximum pixels of a photo
    #[arg(long, value_name = "N", default_value_t = ServerOptions::default().photos.max_pixels)]
    max_pixels: u64,

    /// Write the access log to this file [default: standard error; none with --quiet]
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

const EXAMPLES: &str = "\
Clients of TensorFlow Serving and of Triton (KServe v2) work unchanged. A photo
needs no preprocessing: send its file.

Examples:
  lorgnette serve
  curl --data-binary @photo.jpg http://127.0.0.1:8501/v1/classify
  lorgnette serve flowers=trained/ inception_v3=inception_v3.ckpt
  lorgnette serve --library pictures.lgn
  lorgnette serve --model-dir models/ --http 0.0.0.0:8501 --allow-remote";

/// Serves until it is told to stop.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let models = models(arguments, global)?;
    let is_named = arguments.model_dir.is_empty() && arguments.config.is_none();
    let addresses: Vec<SocketAddr> =
        [arguments.http, arguments.grpc].into_iter().chain(arguments.metrics).collect();
    let options = ServerOptions {
        models,
        model_options: global.model_options()?,
        addresses: distinct(addresses),
        allow_remote: arguments.allow_remote,
        token: arguments.token_file.as_deref().map(token).transpose()?,
        tls: tls(arguments),
        poll: arguments.poll,
        queue: arguments.queue,
        timeout: arguments.timeout,
        max_body: u64::from(arguments.max_body) << 20,
        body_memory: u64::from(arguments.body_memory) << 20,
        max_batch: arguments.max_batch,
        max_connections: arguments.max_connections,
        photos: OpenOptions { max_pixels: arguments.max_pixels, ..ServerOptions::default().photos },
        library: arguments.library.clone(),
        model_control: arguments.model_control,
        log: log(arguments, global)?,
        ..ServerOptions::default()
    };
    let scheme = if options.tls.is_some() { "https" } else { "http" };
    let server = Server::start(options).map_err(|error| match error {
        StartError::Remote(_) => {
            anyhow!("{error}: give --allow-remote, and --token-file unless a proxy checks clients")
        }
        error => error.into(),
    })?;
    for address in server.addresses() {
        messages.note(&format_args!("listening at {scheme}://{address}"));
    }
    let faults = server.wait_until_loaded();
    for fault in &faults {
        messages.error(&fault.message);
    }
    ensure!(faults.is_empty() || !is_named, "{} cannot be served", count(faults.len(), "model"));
    let served = server.models();
    let names: Vec<String> =
        served.iter().map(|(name, version)| format!("{name} (version {version})")).collect();
    messages.note(&format_args!("serving {}", names.join(", ")));
    server.wait_for_signal();
    Ok(if faults.is_empty() { Outcome::Done } else { Outcome::SomeFailed })
}

fn models(arguments: &Arguments, global: &Global) -> Result<Vec<ModelConfig>> {
    let mut models = Vec::new();
    for named in &arguments.models {
        models.push(named_model(named)?);
    }
    for folder in &arguments.model_dir {
        models.extend(ModelConfig::in_folder(folder).map_err(Error::msg)?);
    }
    if let Some(path) = &arguments.config {
        models.extend(ModelConfig::read(path).map_err(Error::msg)?);
    }
    match global.model.as_ref().and_then(|model| model.to_str()) {
        Some(named) if named.contains('=') => models.push(named_model(named)?),
        _ if global.model.is_some() || models.is_empty() => {
            let model = global.model_ref(None)?;
            models.push(ModelConfig::new(served_name(&model)?, source(model)));
        }
        _ => {}
    }
    Ok(models)
}

/// A model by its name and place, or by its place.
fn named_model(named: &str) -> Result<ModelConfig> {
    let (name, place) = match named.split_once('=') {
        Some((name, place)) => (Some(name), place),
        None => (None, named),
    };
    let model = ModelRef::parse(place)?;
    let name = match name {
        Some(name) => name.to_owned(),
        None => served_name(&model)?,
    };
    check_name(&name).map_err(Error::msg)?;
    Ok(ModelConfig::new(name, source(model)))
}

/// Folders may have versions.
fn source(model: ModelRef) -> ModelSource {
    match model {
        ModelRef::File(path) if path.is_dir() => ModelSource::Path(path),
        model => ModelSource::Ref(model),
    }
}

/// The name of a model that was named without one: that of its file.
fn served_name(model: &ModelRef) -> Result<String> {
    let name = match model {
        ModelRef::Embedded => EMBEDDED_NAME.to_owned(),
        ModelRef::Published(name) => name.clone(),
        ModelRef::File(path) => {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            let extensions = [".pb", ".meta", ".onnx", ".tflite", ".plan", ".ckpt"];
            let stem = extensions.iter().find_map(|extension| name.strip_suffix(extension));
            stem.unwrap_or(&name).to_owned()
        }
    };
    check_name(&name).map_err(Error::msg)?;
    Ok(name)
}

fn distinct(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let mut distinct: Vec<SocketAddr> = Vec::new();
    for address in addresses {
        // Port 0 is another one each time.
        if address.port() == 0 || !distinct.contains(&address) {
            distinct.push(address);
        }
    }
    distinct
}

fn token(path: &Path) -> Result<String> {
    let text = fs::read_to_string(path).with_context(|| path.display().to_string())?;
    let token = text.trim();
    if token.is_empty() || token.contains(|c: char| !c.is_ascii_graphic()) {
        bail!("{}: a token is a line of printable characters without spaces", path.display());
    }
    Ok(token.to_owned())
}

fn tls(arguments: &Arguments) -> Option<TlsFiles> {
    let (certificates, key) = (arguments.tls_certificate.clone()?, arguments.tls_key.clone()?);
    Some(TlsFiles { certificates, key })
}

fn log(arguments: &Arguments, global: &Global) -> Result<Option<Box<dyn Write + Send>>> {
    Ok(match &arguments.log {
        Some(path) => {
            let file = File::options().create(true).append(true).open(path);
            Some(Box::new(file.with_context(|| path.display().to_string())?))
        }
        None if global.quiet => None,
        None => Some(Box::new(std::io::stderr())),
    })
}

/// Parses a number of seconds above 0.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds = text.parse().ok().filter(|seconds: &f64| *seconds > 0.0 && *seconds <= 86_400.0);
    let seconds = seconds.ok_or_else(|| format!("'{text}' is no number of seconds"))?;
    Ok(Duration::from_secs_f64(seconds))
}
