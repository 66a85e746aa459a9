//! Search results as an HTML page.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::Path;
use std::thread::available_parallelism;

use anyhow::{Context as _, Result, bail};
use lorgnette::net::write_atomically;
use lorgnette::parallel::par_map_ordered;
use lorgnette_library::html_page::{HtmlPage, Thumbnail};
use lorgnette_library::search::{Hit, SearchResults};

use crate::messages::Messages;
use crate::progress::Progress;

/// Refuses a file without the extension of a page before the search, so that a photo is not
/// overwritten.
pub(crate) fn check(file: Option<&Path>) -> Result<()> {
    let extension = |file: &Path| file.extension().map(OsStr::to_ascii_lowercase);
    match file {
        Some(file)
            if !extension(file)
                .is_some_and(|extension| extension == "html" || extension == "htm") =>
        {
            bail!("--html {}: end the name in .html", file.display())
        }
        _ => Ok(()),
    }
}

/// Writes the page to a file.
pub(super) fn write(
    file: &Path,
    query: &str,
    results: &SearchResults,
    messages: Messages,
) -> Result<()> {
    write_text(file, &page(query, results, messages))?;
    messages.detail(&format_args!("{}: {} shown", file.display(), results.hits.len()));
    Ok(())
}

/// Writes a page that is made to its file.
pub(crate) fn write_text(file: &Path, page: &str) -> Result<()> {
    write_atomically(file, page.as_bytes())
        .with_context(|| format!("--html {}: cannot be written", file.display()))
}

/// Returns the page; thumbnails are made on all cores.
pub(super) fn page(query: &str, results: &SearchResults, messages: Messages) -> String {
    let mut html_page = HtmlPage::new(query, results);
    let side = html_page.side();
    let mut progress = Progress::new(results.hits.len(), "photos", messages);
    let worker = |_: usize, hit: &Hit| Thumbnail::open(&hit.path, side);
    let workers = vec![worker; available_parallelism().map_or(1, usize::from)];
    par_map_ordered(&results.hits, workers, |hit, thumbnail| {
        html_page.add(hit, &thumbnail);
        progress.advance();
        ControlFlow::Continue(())
    });
    html_page.finish()
}
