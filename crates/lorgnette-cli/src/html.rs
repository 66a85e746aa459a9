//! HTML pages of photos: their files, and thumbnails made on all cores.

use std::ffi::OsStr;
use std::ops::ControlFlow;
use std::path::Path;
use std::thread::available_parallelism;

use anyhow::{Context as _, Result, bail};
use lorgnette::net::write_atomically;
use lorgnette::parallel::par_map_ordered;
use lorgnette_library::html_page::Thumbnail;

use crate::messages::Messages;
use crate::progress::Progress;

/// Refuses a file without the extension of a page before the work, so that a photo is not
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

/// Writes a page to its file.
pub(crate) fn write(file: &Path, page: &str) -> Result<()> {
    write_atomically(file, page.as_bytes())
        .with_context(|| format!("--html {}: cannot be written", file.display()))
}

/// Makes a thumbnail of each photo, with this longer side in pixels. `show` receives them in the
/// order of the photos.
pub(crate) fn thumbnails<T: Sync>(
    photos: &[T],
    path: impl Fn(&T) -> &Path + Copy + Send,
    side: usize,
    messages: Messages,
    mut show: impl FnMut(&T, Thumbnail),
) {
    let mut progress = Progress::new(photos.len(), "photos", messages);
    let worker = move |_: usize, photo: &T| Thumbnail::open(path(photo), side);
    let workers = vec![worker; available_parallelism().map_or(1, usize::from)];
    par_map_ordered(photos, workers, |photo, thumbnail| {
        show(photo, thumbnail);
        progress.advance();
        ControlFlow::Continue(())
    });
}
