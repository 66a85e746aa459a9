//! A server from its start to its end.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{any, get, post};
use lorgnette::net::available_threads;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Semaphore, watch};

use crate::app::{App, AppSettings, around};
use crate::body::BodyLimits;
use crate::failure::Failure;
use crate::grpc;
use crate::health;
use crate::library::{self, Shelf};
use crate::listen::{Connections, serve};
use crate::log::Log;
use crate::metrics::Metrics;
use crate::open_inference;
use crate::options::ServerOptions;
use crate::pages;
use crate::photos;
use crate::registry::Registry;
use crate::reports;
use crate::scheduler::Scheduler;
use crate::served::Limits;
use crate::tensorflow_serving;

/// Threads that read requests and write answers; computing has its own.
const IO_THREADS: usize = 2;

/// A running server. Dropping it stops it.
pub struct Server {
    app: Arc<App>,
    pub(crate) router: Router,
    addresses: Vec<SocketAddr>,
    stop: watch::Sender<bool>,
    listeners: Vec<tokio::task::JoinHandle<()>>,
    pub(crate) runtime: Option<Runtime>,
    loader: Loader,
}

/// The thread that loads models and looks for new versions.
struct Loader {
    thread: Option<JoinHandle<()>>,
    is_stopping: Arc<AtomicBool>,
    /// The faults of the first round.
    first_faults: Mutex<Receiver<Vec<Failure>>>,
}

/// A server that cannot start.
#[derive(Debug)]
#[non_exhaustive]
pub enum StartError {
    /// An address cannot be listened at.
    Listen {
        /// The address.
        address: SocketAddr,
        /// The system's reason.
        source: io::Error,
    },
    /// An address that other machines reach, which was not allowed.
    Remote(SocketAddr),
    /// The certificates or the key cannot be used.
    Tls(String),
    /// The models' configuration is wrong.
    Models(String),
    /// The library of photos cannot be opened.
    Library(String),
    /// The system refuses threads.
    Threads(io::Error),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Listen { address, source } => write!(f, "{address}: {source}"),
            Self::Remote(address) => write!(
                f,
                "{address} can be reached from other machines, which must be allowed explicitly"
            ),
            Self::Tls(what) | Self::Models(what) | Self::Library(what) => f.write_str(what),
            Self::Threads(error) => write!(f, "threads cannot be started: {error}"),
        }
    }
}

impl std::error::Error for StartError {}

impl Server {
    /// Listens, and begins to load the models. [`wait_until_loaded`](Self::wait_until_loaded) waits
    /// for them; until then `/readyz` answers 503.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(options: ServerOptions) -> Result<Self, StartError> {
        crate::config::check_names(&options.models).map_err(StartError::Models)?;
        for &address in &options.addresses {
            if !address.ip().is_loopback() && !options.allow_remote {
                return Err(StartError::Remote(address));
            }
        }
        #[cfg(feature = "tls")]
        let tls =
            options.tls.as_ref().map(crate::tls::acceptor).transpose().map_err(StartError::Tls)?;
        #[cfg(not(feature = "tls"))]
        if options.tls.is_some() {
            return Err(StartError::Tls("this build has no TLS".into()));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(IO_THREADS)
            .thread_name("io")
            .enable_all()
            .build()
            .map_err(StartError::Threads)?;
        let (poll, addresses) = (options.poll, options.addresses.clone());
        let (max_connections, head_timeout) = (options.max_connections, options.head_timeout);
        let write_timeout = options.write_timeout;
        let app = Arc::new(app(options)?);
        let (stop, stopped) = watch::channel(false);
        let router = router(&app);
        let connections = Connections {
            app: app.clone(),
            router: router.clone(),
            limit: Arc::new(Semaphore::new(max_connections)),
            head_timeout,
            write_timeout,
            #[cfg(feature = "tls")]
            tls,
        };
        let (mut bound, mut listeners) = (Vec::new(), Vec::new());
        for address in addresses {
            let error = |source| StartError::Listen { address, source };
            let listener = runtime.block_on(TcpListener::bind(address)).map_err(error)?;
            bound.push(listener.local_addr().map_err(error)?);
            let serve = serve(listener, connections.clone(), stopped.clone());
            listeners.push(runtime.spawn(serve));
        }
        let loader = Loader::start(app.clone(), poll).map_err(StartError::Threads)?;
        let (addresses, runtime) = (bound, Some(runtime));
        Ok(Self { app, router, addresses, stop, listeners, runtime, loader })
    }

    /// The addresses that it listens at, with the ports that the system chose.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Waits until each model was loaded or failed, and returns the failures. Later calls return
    /// none.
    #[must_use]
    pub fn wait_until_loaded(&self) -> Vec<Failure> {
        let receiver = self.loader.first_faults.lock().unwrap_or_else(PoisonError::into_inner);
        let mut faults = receiver.recv().unwrap_or_default();
        drop(receiver);
        faults.extend(self.app.registry.check_labels().err());
        faults
    }

    /// The names and the newest versions of the models that are available.
    #[must_use]
    pub fn models(&self) -> Vec<(String, u64)> {
        let available = self.app.registry.available();
        available.iter().map(|served| (served.name.clone(), served.version)).collect()
    }

    /// Serves until the process gets SIGTERM or SIGINT, then stops.
    pub fn wait_for_signal(self) {
        if let Some(runtime) = &self.runtime {
            runtime.block_on(signal());
        }
        self.stop();
    }

    /// Accepts nothing more, answers what was accepted, and ends.
    pub fn stop(mut self) {
        self.shut_down();
    }

    fn shut_down(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        self.app.is_stopping.store(true, Ordering::Relaxed);
        self.loader.is_stopping.store(true, Ordering::Relaxed);
        let _ = self.stop.send(true);
        let listeners = std::mem::take(&mut self.listeners);
        runtime.block_on(async {
            for listener in listeners {
                let _ = listener.await;
            }
        });
        runtime.shutdown_timeout(Duration::from_secs(1));
        if let Some(thread) = self.loader.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.shut_down();
    }
}

impl Loader {
    fn start(app: Arc<App>, poll: Duration) -> io::Result<Self> {
        let is_stopping = Arc::new(AtomicBool::new(false));
        let (sender, first_faults) = channel();
        let stopping = is_stopping.clone();
        let thread = std::thread::Builder::new()
            .name("models".into())
            .spawn(move || load_and_poll(&app, poll, &stopping, &sender))?;
        Ok(Self { thread: Some(thread), is_stopping, first_faults: Mutex::new(first_faults) })
    }
}

fn load_and_poll(app: &App, poll: Duration, stopping: &AtomicBool, first: &Sender<Vec<Failure>>) {
    // The receiver may not care.
    let _ = first.send(app.registry.poll());
    while !stopping.load(Ordering::Relaxed) {
        std::thread::park_timeout(poll);
        if !stopping.load(Ordering::Relaxed) {
            app.registry.poll();
        }
    }
}

fn app(options: ServerOptions) -> Result<App, StartError> {
    let metrics = Arc::new(Metrics::default());
    let log = Log::new(options.log, metrics.clone());
    let workers = options.model_options.threads.unwrap_or_else(available_threads);
    let shelf = |path| Shelf::open(path, options.photos.clone()).map(Arc::new);
    let shelf = options.library.as_deref().map(shelf).transpose();
    let shelf = shelf.map_err(|error| StartError::Library(error.to_string()))?;
    let limits = Limits { batch: options.max_batch, photos: options.photos };
    let faces = photos::Faces::new(options.model_options.clone(), limits.clone(), metrics.clone());
    let registry =
        Registry::new(options.models, options.model_options, limits, metrics.clone(), log.clone());
    let settings = AppSettings {
        memory: options.body_memory,
        body_limits: BodyLimits { bytes: options.max_body, time: options.body_timeout },
        timeout: options.timeout,
        token: options.token,
        shelf,
        faces: Arc::new(faces),
        allow_remote: options.allow_remote,
        model_control: options.model_control,
    };
    let scheduler = Scheduler::new(workers, options.queue).map_err(StartError::Threads)?;
    Ok(App::new(registry, scheduler, metrics, log, settings))
}

fn router(app: &Arc<App>) -> Router {
    Router::new()
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/monitoring/prometheus/metrics", get(health::metrics))
        .route("/v1/classify", post(photos::classify))
        .route("/v1/map", post(photos::map))
        .route("/v1/embed", post(photos::embed))
        .route("/v1/faces", post(photos::faces))
        .route("/v1/blur", post(photos::blur))
        .route("/api/v1/vision/labels", post(photos::handle_photoprism))
        .route("/v2", any(open_inference::handle))
        .route("/v2/", any(open_inference::handle))
        .route("/v2/{*path}", any(open_inference::handle))
        .merge(grpc::routes())
        .merge(library::routes())
        .merge(reports::routes())
        .merge(pages::routes(app.shelf.is_some()))
        .fallback(tensorflow_serving::handle)
        .with_state(app.clone())
        .layer(from_fn_with_state(app.clone(), around))
}

/// Waits for SIGTERM or SIGINT.
async fn signal() {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        if let Ok(mut terminate) = signal(SignalKind::terminate()) {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = tokio::signal::ctrl_c() => {}
            }
            return;
        }
    }
    let _ = tokio::signal::ctrl_c().await;
}
