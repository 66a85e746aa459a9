//! What was found, as a page to look at.

use std::ffi::OsStr;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::thread::available_parallelism;

use anyhow::{Context as _, Result, bail};
use lorgnette::in_order::in_order;
use lorgnette_library::gallery::{Gallery, Thumbnail};
use lorgnette_library::search::{Found, Hit};

use crate::messages::Messages;
use crate::progress::Progress;

/// Refuses, before anything was looked for, a file that is no page by its name: a photo is soon overwritten.
pub(super) fn check(file: Option<&Path>) -> Result<()> {
    let ending = |file: &Path| file.extension().map(OsStr::to_ascii_lowercase);
    match file {
        Some(file) if !ending(file).is_some_and(|ending| ending == "html" || ending == "htm") => {
            bail!("--html {}: end the name in .html", file.display())
        }
        _ => Ok(()),
    }
}

/// Writes the page into a file.
pub(super) fn write(file: &Path, query: &str, found: &Found, messages: Messages) -> Result<()> {
    let page = page(query, found, messages);
    fs::write(file, page).with_context(|| format!("--html {}: cannot be written", file.display()))?;
    messages.detail(&format_args!("{}: {} shown", file.display(), found.hits.len()));
    Ok(())
}

/// The page; its thumbnails are made by all cores.
pub(super) fn page(query: &str, found: &Found, messages: Messages) -> String {
    let mut gallery = Gallery::new(query, found);
    let side = gallery.side();
    let mut progress = Progress::new(found.hits.len(), "photos", messages);
    let worker = |_: usize, hit: &Hit| Thumbnail::open(&hit.path, side);
    let workers = vec![worker; available_parallelism().map_or(1, usize::from)];
    in_order(&found.hits, workers, |hit, thumbnail| {
        gallery.add(hit, &thumbnail);
        progress.advance();
        ControlFlow::Continue(())
    });
    gallery.finish()
}
