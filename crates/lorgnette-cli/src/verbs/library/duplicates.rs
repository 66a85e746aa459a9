//! `lorgnette library duplicates`.

use anyhow::Result;
use clap::Args;
use lorgnette::photos::path_bytes;
use lorgnette_library::{DuplicateGroup, Library};
use serde_json::json;

use super::{model_with_features, printable_path};
use crate::Outcome;
use crate::arguments::{Global, ReportFormat};
use crate::stream::{NAME_BYTES, write_json, write_report};

/// List duplicate photos
#[derive(Debug, Args)]
pub(crate) struct Arguments {
    /// Include near duplicates: resized, recompressed, slightly cropped, or of one burst
    #[arg(long)]
    near: bool,

    /// Minimum similarity of near duplicates: the cosine of the angle between their features
    #[arg(long, value_name = "S", default_value_t = 0.9, requires = "near")]
    threshold: f64,

    /// Output format: a paragraph or one JSON object for each group
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
}

/// True if the path of a photo in a group is no text.
fn photos_are_no_text(group: &DuplicateGroup) -> bool {
    group.photos.iter().any(|path| path_bytes(path).is_some())
}

/// Runs the verb.
pub(super) fn run(arguments: &Arguments, library: &Library, global: &Global) -> Result<Outcome> {
    let groups = if arguments.near {
        let named = global.model.as_deref().and_then(|name| name.to_str());
        library.near_duplicates(model_with_features(library, named)?.id, arguments.threshold)?
    } else {
        library.duplicates()?
    };
    write_report(|out| {
        for group @ DuplicateGroup { photos, similarity } in &groups {
            if arguments.format == ReportFormat::Json {
                let photos: Vec<_> = photos.iter().map(|path| path.to_string_lossy()).collect();
                let mut object = json!({"photos": photos, "similarity": similarity});
                if photos_are_no_text(group) {
                    object[NAME_BYTES] = group.photos.iter().map(|path| path_bytes(path)).collect();
                }
                write_json(out, &object)?;
                continue;
            }
            writeln!(out, "{} photos, similarity {similarity:.3}", photos.len())?;
            photos.iter().try_for_each(|path| writeln!(out, "  {}", printable_path(path)))?;
        }
        Ok(())
    })?;
    Ok(Outcome::Done)
}
