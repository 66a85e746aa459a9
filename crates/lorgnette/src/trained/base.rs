//! The base network of a trained model.

use std::iter;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use lorgnette_kernels::{Level, NumericOptions};
use lorgnette_net::{Network, RunOptions};

use super::card::{BaseCard, InputSpec};
use crate::dataset::Digest;
use crate::error::{Result, format_error};
use crate::features::Extractor;
use crate::model::{Model, ModelOptions};
use crate::model_ref::ModelRef;
use crate::model_store::with_suffix;
use crate::preprocess::{ChannelOrder, Preprocessor};

impl BaseCard {
    /// The card of a network that was opened with these options; `folder` is where the card will
    /// lie.
    ///
    /// # Errors
    /// If a weight cannot be read.
    pub fn new(
        base: &ModelRef,
        options: &ModelOptions,
        extractor: &Extractor,
        width: usize,
        folder: &Path,
    ) -> Result<Self> {
        let embedder = extractor.embedder();
        let network = embedder.model().network();
        let path = match base {
            ModelRef::File(path) => {
                Some(std::path::absolute(path).unwrap_or_else(|_| path.clone()))
            }
            _ => None,
        };
        let file_stamp = path.as_deref().and_then(|path| file_stamp(path, network.file()));
        let text = |path: &Path| path.to_string_lossy().into_owned();
        Ok(Self {
            name: embedder.model().name().into(),
            kind: match base {
                ModelRef::Embedded => "embedded",
                ModelRef::Published(_) => "published",
                ModelRef::File(_) => "file",
            }
            .into(),
            relative_path: path
                .as_deref()
                .and_then(|path| relative_path(path, folder))
                .map(|path| text(&path)),
            path: path.as_deref().map(text),
            bytes: file_stamp.map(|(bytes, _)| bytes),
            modified: file_stamp.map(|(_, modified)| modified),
            net: options.net.clone(),
            net_options: options.zoo.written(),
            checkpoint: options.checkpoint.as_deref().map(text),
            no_ema: options.no_ema,
            input: options.input.clone(),
            output: options.output.clone(),
            features: embedder.end_point().into(),
            width,
            fingerprint: fingerprint(network, embedder.end_point())?,
        })
    }

    /// Returns the base network.
    ///
    /// # Errors
    /// If its file is gone.
    pub fn base(&self, folder: &Path) -> Result<ModelRef> {
        match self.kind.as_str() {
            "embedded" => return Ok(ModelRef::Embedded),
            "published" => return Ok(ModelRef::Published(self.name.clone())),
            _ => {}
        }
        let there = |path: &PathBuf| path.exists() || with_suffix(path, ".index").exists();
        let beside = self.relative_path.as_ref().map(|path| folder.join(path)).filter(there);
        let known = beside.or_else(|| self.path.as_ref().map(PathBuf::from).filter(there));
        known.map(ModelRef::File).ok_or_else(|| {
            let path = self.path.as_deref().unwrap_or("?");
            format_error(
                folder,
                format!("the network it was trained on, {path}, is gone: put it back there"),
            )
        })
    }

    /// Returns the options that the network was opened with; `options` has those that are not on
    /// the card, such as threads.
    ///
    /// # Errors
    /// If the card names what this program does not know.
    pub fn options(
        &self,
        shape: &InputSpec,
        options: &ModelOptions,
    ) -> Result<ModelOptions, String> {
        let mut zoo = lorgnette_net::zoo::ZooOptions::default();
        for option in &self.net_options {
            zoo.set(option).map_err(|error| error.to_string())?;
        }
        Ok(ModelOptions {
            size: options.size.or(Some([shape.height, shape.width])),
            preprocess: Some(options.preprocess.map_or_else(|| shape.preprocessing(), Ok)?),
            channels: Some(options.channels.map_or_else(|| shape.order(), Ok)?),
            mean: options.mean.or(shape.mean),
            scale: options.scale.or(shape.scale),
            labels: None,
            input: self.input.clone(),
            output: self.output.clone(),
            net: self.net.clone(),
            zoo,
            checkpoint: self.checkpoint.as_ref().map(PathBuf::from),
            no_ema: self.no_ema,
            ..options.clone()
        })
    }

    /// Opens the network and checks that it is unchanged.
    pub(super) fn open(
        &self,
        folder: &Path,
        shape: &InputSpec,
        options: &ModelOptions,
    ) -> Result<Model> {
        let options = self
            .options(shape, options)
            .map_err(|what| format_error(&folder.join(super::CARD), what))?;
        let base = self.base(folder)?;
        // It could be this very folder, or lead back to it.
        if let ModelRef::File(path) = &base
            && super::TrainedModel::is_in(path)
        {
            let what = format!(
                "the network it was trained on, {}, is a trained model itself",
                path.display()
            );
            return Err(format_error(&folder.join(super::CARD), what));
        }
        let model = base.open(&options)?;
        if let ModelRef::File(path) = &base {
            self.check(path, &model, folder)?;
        }
        Ok(model)
    }

    /// Compares length and modification time of the file; if they differ, all weights.
    fn check(&self, path: &Path, model: &Model, folder: &Path) -> Result<()> {
        let now = file_stamp(path, model.network().file());
        if now.is_some() && now == self.bytes.zip(self.modified) {
            return Ok(());
        }
        if self.is_trained_on(model.network())? {
            return Ok(());
        }
        let path = path.display();
        Err(format_error(
            folder,
            format!("it was trained on another network than {path} is now: train it again"),
        ))
    }

    /// Returns the model of a network that is open already, with the input and preprocessing of the
    /// card.
    ///
    /// # Errors
    /// If it is another network.
    pub(super) fn reopen(&self, base: &Model, shape: &InputSpec) -> Result<Model> {
        // A network without the node of the features is another one, too.
        if !self.is_trained_on(base.network()).unwrap_or(false) {
            let (name, what) = (&self.name, "a model was trained on another network");
            return Err(base.model_error(&format!("{what}, {name}, not on this one")));
        }
        let options = self
            .options(shape, &ModelOptions::default())
            .map_err(|what| base.model_error(&what))?;
        Model::reopened(self.name.clone(), base, &options)
    }

    /// True if the network has the card's fingerprint, on this CPU or on any other.
    fn is_trained_on(&self, network: &Network) -> Result<bool> {
        let own = network.run_options().level;
        let others = Level::ALL.into_iter().filter(|&level| level != own);
        for level in iter::once(own).chain(others) {
            if fingerprint_at(network, &self.features, level)? == self.fingerprint {
                return Ok(true);
            }
        }
        Ok(false)
    }
}

impl InputSpec {
    /// Returns the input and preprocessing of a model.
    #[must_use]
    pub fn new(model: &Model) -> Self {
        let Preprocessor { preprocessing, height, width, channels, order, mean, scale } =
            *model.preprocess();
        let channel_order = (order != ChannelOrder::Rgb).then(|| order.to_string());
        let preprocess = preprocessing.name().into();
        Self { preprocess, height, width, channels, channel_order, mean, scale }
    }
}

/// Returns the fingerprint of the network in default number formats.
fn fingerprint(network: &Network, features: &str) -> Result<String> {
    fingerprint_at(network, features, network.run_options().level)
}

/// The same at a level of any CPU.
fn fingerprint_at(network: &Network, features: &str, level: Level) -> Result<String> {
    let numerics = NumericOptions::default();
    let run = RunOptions { numerics, level, ..network.run_options().clone() };
    Ok(Digest(network.with_run_options(run).fingerprint(features)?).to_string())
}

/// Returns length and modification time of a model's main file.
fn file_stamp(path: &Path, file: Option<&Path>) -> Option<(u64, u64)> {
    let candidates = [
        Some(path.to_owned()),
        Some(with_suffix(path, ".index")),
        file.map(Path::to_owned),
        file.map(|file| with_suffix(file, ".index")),
    ];
    let metadata = candidates
        .into_iter()
        .flatten()
        .filter_map(|path| path.metadata().ok())
        .find(std::fs::Metadata::is_file)?;
    let modified = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some((metadata.len(), u64::try_from(modified.as_nanos()).ok()?))
}

/// Returns a path relative to a folder, if both are on one root.
fn relative_path(path: &Path, folder: &Path) -> Option<PathBuf> {
    let folder = std::path::absolute(folder).ok()?;
    let shared = path.components().zip(folder.components()).take_while(|(a, b)| a == b).count();
    if shared == 0 {
        return None;
    }
    let up = folder.components().skip(shared).map(|_| "..");
    Some(
        up.map(PathBuf::from)
            .chain(path.components().skip(shared).map(|part| PathBuf::from(part.as_os_str())))
            .collect(),
    )
}
