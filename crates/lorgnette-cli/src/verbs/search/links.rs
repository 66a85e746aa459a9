//! A folder of links to the photos that were found.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use lorgnette_library::search::Hit;

use crate::messages::{Messages, count};

/// Fills a folder with links to the photos: `0001 beach.jpg` is the best. Links that are in it are
/// removed; anything else in it is an error, so that no photo is lost.
pub(super) fn write(folder: &Path, hits: &[Hit], messages: Messages) -> Result<()> {
    let name = folder.display();
    fs::create_dir_all(folder).with_context(|| format!("--link {name}: cannot be made"))?;
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<io::Result<Vec<_>>>);
    let entries = entries.with_context(|| format!("--link {name}: cannot be read"))?;
    for entry in &entries {
        ensure!(
            entry.path().is_symlink(),
            "--link {name}: {} in it is no link: name another folder, or a new one",
            entry.file_name().display()
        );
    }
    for entry in &entries {
        fs::remove_file(entry.path())
            .with_context(|| format!("--link {name}: an old link cannot be removed"))?;
    }
    for (rank, hit) in (1..).zip(hits) {
        let mut link = OsString::from(format!("{rank:04} "));
        link.push(hit.path.file_name().unwrap_or_default());
        symlink(&hit.path, &folder.join(link))
            .with_context(|| format!("--link {name}: a link cannot be made"))?;
    }
    messages.detail(&format_args!("{name}: {}", count(hits.len(), "link")));
    Ok(())
}

#[cfg(unix)]
fn symlink(photo: &Path, link: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(photo, link)
}

#[cfg(windows)]
fn symlink(photo: &Path, link: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(photo, link)
}

#[cfg(not(any(unix, windows)))]
fn symlink(_: &Path, _: &Path) -> io::Result<()> {
    Err(io::ErrorKind::Unsupported.into())
}
