//! The models that are served, their versions, and how these come and go.
//!
//! ```text
//! folder ─▶ wanted versions ─▶ START ─▶ LOADING ─▶ AVAILABLE ─▶ UNLOADING ─▶ END
//!            (each poll)                     └───────── (fault) ──────────────┘
//! ```
//!
//! A version that is not wanted any more is unloaded after the wanted ones are available. Requests
//! that have it keep it until they are answered.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, Weak};
use std::time::SystemTime;

use lorgnette::{Model, ModelOptions, ModelRef};

use crate::config::{ModelConfig, ModelSource, VersionPolicy};
use crate::failure::{Code, Failure, Outcome};
use crate::log::Log;
use crate::metrics::Metrics;
use crate::served::{Limits, Served};

/// All models.
pub(crate) struct Registry {
    entries: RwLock<BTreeMap<String, Arc<Entry>>>,
    /// Held while models are loaded: one at a time.
    loading: Mutex<()>,
    options: ModelOptions,
    limits: Limits,
    metrics: Arc<Metrics>,
    log: Log,
}

struct Entry {
    config: ModelConfig,
    state: Mutex<EntryState>,
}

#[derive(Default)]
struct EntryState {
    versions: BTreeMap<u64, Slot>,
    /// The states of the versions' files at the last poll.
    stamps: BTreeMap<u64, Stamp>,
    /// True once its versions have been loaded, or have failed.
    is_settled: bool,
    /// True if a client unloaded it; it then stays so until a client loads it.
    is_unloaded: bool,
}

struct Slot {
    state: VersionState,
    fault: Option<Failure>,
    served: Option<Arc<Served>>,
    /// Requests that still have it while it is unloaded.
    draining: Weak<Served>,
    stamp: Stamp,
}

/// The state of a version, by TensorFlow Serving's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum VersionState {
    Start = 10,
    Loading = 20,
    Available = 30,
    Unloading = 40,
    End = 50,
}

/// A version and its state.
#[derive(Clone, Debug)]
pub(crate) struct VersionStatus {
    pub(crate) version: u64,
    pub(crate) state: VersionState,
    pub(crate) fault: Option<Failure>,
}

/// The version that a request asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum VersionChoice {
    #[default]
    Latest,
    Number(u64),
    Label(String),
}

/// The state of a version's files: names, lengths and times of change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Stamp(Vec<(PathBuf, u64, Option<SystemTime>)>);

impl VersionState {
    /// The name in TensorFlow Serving's answers.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Start => "START",
            Self::Loading => "LOADING",
            Self::Available => "AVAILABLE",
            Self::Unloading => "UNLOADING",
            Self::End => "END",
        }
    }
}

impl Registry {
    pub(crate) fn new(
        models: Vec<ModelConfig>,
        options: ModelOptions,
        limits: Limits,
        metrics: Arc<Metrics>,
        log: Log,
    ) -> Self {
        let entries = models.into_iter().map(|config| (config.name.clone(), Entry::new(config)));
        Self {
            entries: RwLock::new(entries.collect()),
            loading: Mutex::default(),
            options,
            limits,
            metrics,
            log,
        }
    }

    /// Loads new versions and unloads those that are not wanted any more. Returns the faults of
    /// versions that could not be loaded this time.
    pub(crate) fn poll(&self) -> Vec<Failure> {
        let _loading = lock(&self.loading);
        let mut faults = Vec::new();
        for entry in self.all() {
            faults.extend(self.refresh(&entry));
        }
        faults
    }

    /// Returns a version of a model that is available.
    ///
    /// # Errors
    /// [`Code::NotFound`] with TensorFlow Serving's messages.
    pub(crate) fn find(&self, name: &str, choice: &VersionChoice) -> Outcome<Arc<Served>> {
        let wanted = match choice {
            VersionChoice::Latest | VersionChoice::Label(_) => format!("Latest({name})"),
            VersionChoice::Number(version) => format!("Specific({name}, {version})"),
        };
        let missing = || Failure::not_found(format!("Servable not found for request: {wanted}"));
        let entry = self.entry(name).ok_or_else(missing)?;
        let version = entry.version(choice)?;
        let state = lock(&entry.state);
        let slots = state.versions.iter().rev();
        let mut served = slots
            .filter(|(number, _)| version.is_none_or(|version| version == **number))
            .filter_map(|(_, slot)| slot.served.clone());
        served.next().ok_or_else(missing)
    }

    /// Returns the states of a model's versions, the newest first.
    ///
    /// # Errors
    /// [`Code::NotFound`] if there is no such model or version.
    pub(crate) fn statuses(
        &self,
        name: &str,
        choice: &VersionChoice,
    ) -> Outcome<Vec<VersionStatus>> {
        let missing = |what: &str| {
            Failure::not_found(format!("Could not find any versions of model {name}{what}"))
        };
        let entry = self.entry(name).ok_or_else(|| missing(""))?;
        let version = entry.version(choice)?;
        let statuses: Vec<_> = entry
            .statuses()
            .into_iter()
            .filter(|status| version.is_none_or(|version| version == status.version))
            .collect();
        match (statuses.is_empty(), version) {
            (true, Some(version)) => {
                Err(Failure::not_found(format!("Could not find version {version} of model {name}")))
            }
            (true, None) => Err(missing("")),
            (false, _) => Ok(statuses),
        }
    }

    /// Returns all models' names with the states of their versions.
    pub(crate) fn index(&self) -> Vec<(String, Vec<VersionStatus>)> {
        self.all().iter().map(|entry| (entry.config.name.clone(), entry.statuses())).collect()
    }

    /// Returns the versions that are available, of all models.
    pub(crate) fn available(&self) -> Vec<Arc<Served>> {
        let mut all = Vec::new();
        for entry in self.all() {
            all.extend(lock(&entry.state).versions.values().filter_map(|slot| slot.served.clone()));
        }
        all
    }

    /// True if every model has a version that is available, or was unloaded by a client.
    pub(crate) fn is_ready(&self) -> bool {
        self.all().iter().all(|entry| {
            let state = lock(&entry.state);
            state.is_unloaded || state.versions.values().any(|slot| slot.served.is_some())
        })
    }

    /// Loads a model's versions anew.
    ///
    /// # Errors
    /// [`Code::NotFound`] if it is not configured; the fault of loading it.
    pub(crate) fn load(&self, name: &str) -> Outcome<()> {
        let entry = self.configured(name)?;
        let _loading = lock(&self.loading);
        {
            let mut state = lock(&entry.state);
            state.is_unloaded = false;
            for slot in state.versions.values_mut() {
                // A stamp that no files have: they are loaded again.
                slot.stamp = Stamp(vec![(PathBuf::new(), 0, None)]);
            }
            state.is_settled = false;
        }
        match self.refresh(&entry).into_iter().next() {
            Some(fault) => Err(fault.at(&format!("failed to load '{name}'"))),
            None => Ok(()),
        }
    }

    /// Unloads a model's versions when their requests are answered.
    ///
    /// # Errors
    /// [`Code::NotFound`] if it is not configured.
    pub(crate) fn unload(&self, name: &str) -> Outcome<()> {
        let entry = self.configured(name)?;
        let _loading = lock(&self.loading);
        let mut state = lock(&entry.state);
        state.is_unloaded = true;
        for slot in state.versions.values_mut() {
            slot.unload();
        }
        drop(state);
        self.log.event("model_unloaded", &[("model", name)]);
        Ok(())
    }

    /// Serves these models in place of the present ones; equal ones stay loaded.
    ///
    /// # Errors
    /// The first fault of loading them, and labels of versions that are not available.
    pub(crate) fn configure(&self, models: Vec<ModelConfig>) -> Outcome<()> {
        crate::config::check_names(&models).map_err(Failure::invalid)?;
        {
            let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
            let mut old = std::mem::take(&mut *entries);
            for config in models {
                let kept = old.remove(&config.name).filter(|entry| {
                    entry.config.source == config.source && entry.config.policy == config.policy
                });
                let entry = match kept {
                    Some(entry) if entry.config == config => entry,
                    Some(entry) => {
                        let state = std::mem::take(&mut *lock(&entry.state));
                        Arc::new(Entry { config, state: Mutex::new(state) })
                    }
                    None => Entry::new(config),
                };
                entries.insert(entry.config.name.clone(), entry);
            }
        }
        if let Some(fault) = self.poll().into_iter().next() {
            return Err(fault);
        }
        self.check_labels()
    }

    /// Checks that every label is of a version that is available.
    ///
    /// # Errors
    /// [`Code::FailedPrecondition`] if one is not.
    pub(crate) fn check_labels(&self) -> Outcome<()> {
        for entry in self.all() {
            let state = lock(&entry.state);
            for (label, version) in &entry.config.labels {
                if state.versions.get(version).is_none_or(|slot| slot.served.is_none()) {
                    let name = &entry.config.name;
                    let message = format!(
                        "Request to assign label to model {name} for label {label} and version \
                         {version}, which is not available"
                    );
                    return Err(Failure::new(Code::FailedPrecondition, message));
                }
            }
        }
        Ok(())
    }

    /// Loads what an entry wants, then unloads the rest; returns the faults.
    fn refresh(&self, entry: &Entry) -> Vec<Failure> {
        if lock(&entry.state).is_unloaded {
            return Vec::new();
        }
        let wanted = entry.config.wanted();
        let mut faults = Vec::new();
        for (&version, path) in &wanted {
            if let Some(stamp) = entry.to_load(version, path.as_deref())
                && let Err(fault) = self.load_version(entry, version, path.as_deref(), stamp)
            {
                faults.push(fault);
            }
        }
        let mut state = lock(&entry.state);
        if wanted.is_empty() && !state.is_settled {
            let message = entry.nothing_wanted();
            self.log.event("model_failed", &[("model", &entry.config.name), ("error", &message)]);
            faults.push(Failure::not_found(message));
        }
        state.is_settled = true;
        // A folder that is empty for a moment, while it is replaced, unloads nothing.
        if state
            .versions
            .iter()
            .any(|(version, slot)| wanted.contains_key(version) && slot.served.is_some())
        {
            for (version, slot) in &mut state.versions {
                if !wanted.contains_key(version) && slot.served.is_some() {
                    slot.unload();
                    let version = version.to_string();
                    let labels = [("model", &*entry.config.name), ("version", &*version)];
                    self.log.event("model_unloaded", &labels);
                }
            }
        }
        faults
    }

    fn load_version(
        &self,
        entry: &Entry,
        version: u64,
        path: Option<&Path>,
        stamp: Stamp,
    ) -> Outcome<()> {
        let name = &entry.config.name;
        {
            let mut state = lock(&entry.state);
            let slot = state.versions.entry(version).or_insert_with(Slot::new);
            slot.stamp = stamp;
            if slot.served.is_none() {
                (slot.state, slot.fault) = (VersionState::Loading, None);
            }
        }
        let opened = self.open(&entry.config, path).and_then(|model| {
            let metrics = self.metrics.model(name, version);
            let mut served = Served::new(name, version, model, self.limits.clone(), metrics)?;
            served.report = report(&entry.config, path);
            Ok(served)
        });
        let mut state = lock(&entry.state);
        let slot = state.versions.entry(version).or_insert_with(Slot::new);
        let version = version.to_string();
        match opened {
            Ok(served) => {
                let replaced = slot.served.replace(Arc::new(served));
                (slot.state, slot.fault) = (VersionState::Available, None);
                drop(state);
                drop(replaced);
                self.log.event("model_loaded", &[("model", name), ("version", &version)]);
                Ok(())
            }
            Err(fault) => {
                if slot.served.is_none() {
                    (slot.state, slot.fault) = (VersionState::End, Some(fault.clone()));
                }
                drop(state);
                let labels =
                    [("model", &**name), ("version", &*version), ("error", &*fault.message)];
                self.log.event("model_failed", &labels);
                Err(fault)
            }
        }
    }

    fn open(&self, config: &ModelConfig, path: Option<&Path>) -> Outcome<Model> {
        match (&config.source, path) {
            (ModelSource::Ref(model), _) => Ok(model.open(&self.options)?),
            (ModelSource::Path(path), None) => Ok(Model::open(path, &self.options)?),
            (ModelSource::Path(_), Some(path)) => {
                // A version's folder may hold the model's only file.
                let path = only_file(path).unwrap_or_else(|| path.to_owned());
                Ok(Model::open(&path, &self.options)?)
            }
        }
    }

    fn all(&self) -> Vec<Arc<Entry>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.values().cloned().collect()
    }

    fn entry(&self, name: &str) -> Option<Arc<Entry>> {
        let entries = self.entries.read().unwrap_or_else(PoisonError::into_inner);
        entries.get(name).cloned()
    }

    fn configured(&self, name: &str) -> Outcome<Arc<Entry>> {
        self.entry(name).ok_or_else(|| {
            Failure::not_found(format!("there is no model '{name}' in this server's configuration"))
        })
    }
}

impl Entry {
    fn new(config: ModelConfig) -> Arc<Self> {
        Arc::new(Self { config, state: Mutex::default() })
    }

    /// The number of the version that is chosen; `None` for the newest.
    fn version(&self, choice: &VersionChoice) -> Outcome<Option<u64>> {
        match choice {
            VersionChoice::Latest => Ok(None),
            VersionChoice::Number(version) => Ok(Some(*version)),
            VersionChoice::Label(label) => match self.config.labels.get(label) {
                Some(version) => Ok(Some(*version)),
                None => {
                    Err(Failure::invalid(format!("Unrecognized servable version label: {label}")))
                }
            },
        }
    }

    /// The stamp of a version that is to be loaded now; `None` if it is loaded already, has failed,
    /// or is still being copied.
    fn to_load(&self, version: u64, path: Option<&Path>) -> Option<Stamp> {
        let stamp = path.map(Stamp::of).unwrap_or_default();
        let mut state = lock(&self.state);
        let before = state.stamps.insert(version, stamp.clone());
        let is_new = match state.versions.get(&version) {
            Some(slot) => slot.stamp != stamp || slot.state == VersionState::Unloading,
            None => true,
        };
        // After the start, a version is loaded once its files have not changed for one poll.
        let is_stable = !state.is_settled || before.as_ref() == Some(&stamp);
        (is_new && is_stable).then_some(stamp)
    }

    fn statuses(&self) -> Vec<VersionStatus> {
        let mut state = lock(&self.state);
        let mut statuses = Vec::new();
        for (&version, slot) in state.versions.iter_mut().rev() {
            if slot.state == VersionState::Unloading && slot.draining.strong_count() == 0 {
                slot.state = VersionState::End;
            }
            statuses.push(VersionStatus { version, state: slot.state, fault: slot.fault.clone() });
        }
        statuses
    }

    fn nothing_wanted(&self) -> String {
        let ModelConfig { name, source, policy, .. } = &self.config;
        let ModelSource::Path(path) = source else { return format!("model '{name}' is nowhere") };
        let path = path.display();
        match policy {
            VersionPolicy::Specific(versions) => {
                format!("model '{name}': {path} has none of the versions {versions:?}")
            }
            _ => format!("model '{name}': {path} is no model and has no version folders"),
        }
    }
}

impl Slot {
    fn new() -> Self {
        Self {
            state: VersionState::Start,
            fault: None,
            served: None,
            draining: Weak::new(),
            stamp: Stamp::default(),
        }
    }

    /// Takes it away from new requests.
    fn unload(&mut self) {
        if let Some(served) = self.served.take() {
            self.draining = Arc::downgrade(&served);
            self.state = VersionState::Unloading;
            self.stamp = Stamp(vec![(PathBuf::new(), 0, None)]);
        }
    }
}

impl Stamp {
    fn of(path: &Path) -> Self {
        let mut files = Vec::new();
        let mut add = |path: PathBuf| {
            if let Ok(metadata) = path.metadata() {
                files.push((path, metadata.len(), metadata.modified().ok()));
            }
        };
        for entry in path.read_dir().into_iter().flatten().flatten() {
            add(entry.path());
        }
        add(path.to_owned());
        files.sort();
        Self(files)
    }
}

/// The report in the folder of a trained model.
fn report(config: &ModelConfig, path: Option<&Path>) -> Option<PathBuf> {
    let own = match &config.source {
        ModelSource::Ref(ModelRef::File(path)) | ModelSource::Path(path) => Some(path.as_path()),
        ModelSource::Ref(_) => None,
    };
    let report = path.or(own)?.join("report.html");
    report.is_file().then_some(report)
}

/// The only file of a folder that has nothing but a file of a model in it, and labels perhaps.
fn only_file(folder: &Path) -> Option<PathBuf> {
    let entries = folder.read_dir().ok()?;
    let files: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let is_model = |path: &&PathBuf| {
        let extension = path.extension().and_then(|extension| extension.to_str());
        matches!(extension, Some("pb" | "onnx" | "tflite" | "plan"))
    };
    let has_saved_model = files.iter().any(|path| path.ends_with("saved_model.pb"));
    let mut models = files.iter().filter(is_model);
    match (models.next(), models.next()) {
        (Some(model), None) if !has_saved_model => Some(model.clone()),
        _ => None,
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
