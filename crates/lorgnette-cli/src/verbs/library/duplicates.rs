//! `lorgnette library duplicates`.

use std::io::{self, Write};
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use lorgnette::photos::path_bytes;
use lorgnette_library::html_page::DuplicatesPage;
use lorgnette_library::{Library, Photo, short_size};
use serde_json::json;

use super::{model_with_features, printable_path};
use crate::Outcome;
use crate::arguments::{Global, ReportFormat};
use crate::html;
use crate::messages::Messages;
use crate::stream::{NAME_BYTES, write_json, write_path, write_report};

/// List duplicate photos, of each group the one to keep first: that with the most pixels, then that
/// with the largest file, then the oldest
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

    /// Print the paths of all but the photos to keep, one a line; nothing is deleted
    #[arg(long, conflicts_with = "format")]
    rest: bool,

    /// End each path with a NUL instead of a line feed, for `xargs -0`; implies --rest
    #[arg(short = '0', long, conflicts_with = "format")]
    null: bool,

    /// Also write a self-contained HTML page of the groups, with the photo to keep and a list of
    /// the rest
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// A group, the photo to keep first.
struct Group {
    photos: Vec<Photo>,
    similarity: f64,
}

impl Group {
    /// Returns the photos that need not be kept.
    fn rest(&self) -> &[Photo] {
        self.photos.get(1..).unwrap_or_default()
    }
}

/// Runs the verb.
pub(super) fn run(
    arguments: &Arguments,
    library: &Library,
    global: &Global,
    messages: Messages,
) -> Result<Outcome> {
    html::check(arguments.html.as_deref())?;
    let groups = if arguments.near {
        let named = global.model.as_deref().and_then(|name| name.to_str());
        library.near_duplicates(model_with_features(library, named)?.id, arguments.threshold)?
    } else {
        library.duplicates()?
    };
    let best_first = groups.iter().map(|group| {
        Ok(Group { photos: library.best_first(group)?, similarity: group.similarity })
    });
    let groups = best_first.collect::<Result<Vec<Group>>>()?;
    if let Some(file) = &arguments.html {
        html::write(file, &page(&groups, messages))?;
    }
    write_report(|out| {
        for group in &groups {
            match arguments.format {
                _ if arguments.null => write_rest(out, group, b"\0")?,
                _ if arguments.rest => write_rest(out, group, b"\n")?,
                ReportFormat::Json => write_json(out, &json_of(group))?,
                ReportFormat::Text => write_text(out, group)?,
            }
        }
        Ok(())
    })?;
    Ok(Outcome::Done)
}

/// Returns a page of the groups.
fn page(groups: &[Group], messages: Messages) -> String {
    let photos: Vec<&Photo> = groups.iter().flat_map(|group| &group.photos).collect();
    let mut page = DuplicatesPage::new(groups.len(), photos.len());
    let side = page.side();
    let mut waiting = groups.iter();
    let (mut group, mut thumbnails) = (waiting.next(), Vec::new());
    html::thumbnails(
        &photos,
        |photo| &photo.path,
        side,
        messages,
        |_, thumbnail| {
            thumbnails.push(thumbnail);
            if let Some(whole) = group.filter(|group| group.photos.len() == thumbnails.len()) {
                page.add(&whole.photos, whole.similarity, &thumbnails);
                thumbnails.clear();
                group = waiting.next();
            }
        },
    );
    page.finish()
}

fn write_rest(out: &mut dyn Write, group: &Group, end: &[u8]) -> io::Result<()> {
    group.rest().iter().try_for_each(|photo| write_path(out, &photo.path, end))
}

fn write_text(out: &mut dyn Write, group: &Group) -> io::Result<()> {
    let Group { photos, similarity } = group;
    writeln!(out, "{} photos, similarity {similarity:.3}", photos.len())?;
    for (index, photo) in photos.iter().enumerate() {
        let keep = if index == 0 { "keep" } else { "" };
        let pixels =
            photo.size.map_or(String::new(), |[width, height]| format!("{width} x {height}, "));
        let path = printable_path(&photo.path);
        writeln!(out, "  {keep:4}  {path}  ({pixels}{})", short_size(photo.bytes))?;
    }
    Ok(())
}

/// Returns the object of a group; its photos are in the order of their paths.
fn json_of(group: &Group) -> serde_json::Value {
    let mut paths: Vec<&PathBuf> = group.photos.iter().map(|photo| &photo.path).collect();
    let keep = paths.first().map(|path| path.to_string_lossy().into_owned());
    paths.sort();
    let photos: Vec<_> = paths.iter().map(|path| path.to_string_lossy()).collect();
    let mut object = json!({"photos": photos, "similarity": group.similarity});
    // A path that is no text has its bytes beside it.
    if paths.iter().any(|path| path_bytes(path).is_some()) {
        object[NAME_BYTES] = paths.iter().map(|path| path_bytes(path)).collect();
    }
    object["keep"] = keep.into();
    object
}
