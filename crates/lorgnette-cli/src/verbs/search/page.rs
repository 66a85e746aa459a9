//! Search results as an HTML page.

use std::path::Path;

use anyhow::Result;
use lorgnette_library::html_page::HtmlPage;
use lorgnette_library::search::SearchResults;

use crate::html;
use crate::messages::Messages;

/// Writes the page to a file.
pub(super) fn write(
    file: &Path,
    query: &str,
    results: &SearchResults,
    messages: Messages,
) -> Result<()> {
    html::write(file, &page(query, results, messages))?;
    messages.detail(&format_args!("{}: {} shown", file.display(), results.hits.len()));
    Ok(())
}

/// Returns the page.
pub(super) fn page(query: &str, results: &SearchResults, messages: Messages) -> String {
    let mut page = HtmlPage::new(query, results);
    let side = page.side();
    html::thumbnails(
        &results.hits,
        |hit| &hit.path,
        side,
        messages,
        |hit, thumbnail| page.add(hit, &thumbnail),
    );
    page.finish()
}
