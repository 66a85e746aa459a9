//! `lorgnette library similar`.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use clap::Args;
use lorgnette::Model;
use lorgnette::picture::OpenOptions;
use lorgnette_library::{Library, ModelEntry, ModelRecord, NetworkAnalyser, Similar};
use serde_json::json;

use super::{known_path, model_with_features, printable_path, with_path_bytes};
use crate::Outcome;
use crate::arguments::{Global, InputArguments, ReportFormat};
use crate::messages::Messages;
use crate::model;
use crate::stream::{write_json, write_report};

/// Find the photos most similar to one, which need not be in the library
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// The photo
    #[arg(value_name = "PHOTO")]
    photo: PathBuf,

    /// Maximum number of photos
    #[arg(long, value_name = "N", default_value_t = 20, visible_alias = "top")]
    limit: usize,

    /// Minimum similarity: the cosine of the angle between the features, 1 for the same photo
    #[arg(long, value_name = "S", default_value_t = 0.7, allow_hyphen_values = true)]
    threshold: f64,

    /// Output format: a line or one JSON object for each photo
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,

    #[command(flatten)]
    input: InputArguments,
}

/// Runs the verb.
pub(super) fn run(
    arguments: &Arguments,
    library: &Library,
    global: &Global,
    messages: Messages,
) -> Result<Outcome> {
    let photo = known_path(&arguments.photo);
    let (model, features) = features(&photo, &arguments.input, library, global, messages)?;
    let results = library.similar(
        model.id,
        &features,
        arguments.limit.saturating_add(1),
        arguments.threshold,
    )?;
    let here = std::fs::canonicalize(&photo).unwrap_or(photo);
    let neighbours = || results.iter().filter(|similar| similar.path != here).take(arguments.limit);
    messages.detail(&format_args!(
        "features of {}, at least {} similar",
        model.name, arguments.threshold
    ));
    write_report(|out| {
        neighbours().try_for_each(|Similar { path, similarity, .. }| match arguments.format {
            ReportFormat::Text => writeln!(out, "{similarity:.3}  {}", printable_path(path)),
            ReportFormat::Json => write_json(
                out,
                &with_path_bytes(
                    json!({
                        "photo": path.to_string_lossy(),
                        "similarity": similarity,
                        "model": model.name,
                    }),
                    path,
                ),
            ),
        })
    })?;
    if neighbours().next().is_none() {
        let threshold = arguments.threshold;
        messages.note(&format_args!(
            "nothing is at least {threshold} similar: a lower --threshold finds more"
        ));
    }
    Ok(Outcome::Done)
}

/// Returns the features of a photo and their model: those of the library if it has them, else
/// computed by the network.
pub(in crate::verbs) fn features(
    photo: &Path,
    input: &InputArguments,
    library: &Library,
    global: &Global,
    messages: Messages,
) -> Result<(ModelEntry, Vec<f32>)> {
    let named = global.model.as_deref().and_then(|name| name.to_str());
    if let Some(known) = library_features(photo, library, named)? {
        return Ok(known);
    }
    let mut model = model::open_for_photos(input, &global.for_library(), messages)?;
    let entry = indexed_entry(&model, library).or_else(|_| {
        // Libraries of other programs were indexed with float32.
        model = model::open_for_photos(input, global, messages)?;
        indexed_entry(&model, library)
    })?;
    let picture = open_options(&entry).open(photo)?;
    let analyser = NetworkAnalyser::new(&model, entry.map_side())?;
    let features = analyser.features(&picture).context("the photo cannot be compared")?;
    Ok((entry, features.context("the model has no features")?))
}

fn library_features(
    photo: &Path,
    library: &Library,
    named: Option<&str>,
) -> Result<Option<(ModelEntry, Vec<f32>)>> {
    if library.photo(photo).is_err() {
        return Ok(None);
    }
    let Ok(model) = model_with_features(library, named) else { return Ok(None) };
    Ok(library.features(photo, model.id)?.map(|features| (model, features)))
}

/// Returns the options with which the library's photos were opened for a model.
fn open_options(entry: &ModelEntry) -> OpenOptions {
    OpenOptions { min_decode_size: entry.min_decode_size(), ..OpenOptions::default() }
}

/// Returns the library's entry of a model; fails if the fingerprints differ.
fn indexed_entry(model: &Model, library: &Library) -> Result<ModelEntry> {
    let name = model.name();
    let entry = model_with_features(library, Some(name))?;
    let model_record =
        ModelRecord::new(&NetworkAnalyser::new(model, entry.map_side())?, &open_options(&entry))?;
    let is_same = entry.fingerprint == Some(model_record.fingerprint);
    ensure!(
        is_same,
        "{name} is not, or not with these options, the model that the library was indexed with"
    );
    Ok(entry)
}
