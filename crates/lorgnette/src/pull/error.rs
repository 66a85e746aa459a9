//! Errors of a download.

use std::path::{Path, PathBuf};

/// Why a model cannot be downloaded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PullError {
    /// All sources failed.
    #[error("{}", manual_instructions(name, failures, url, path))]
    AllSourcesFailed {
        /// The model.
        name: String,
        /// The error of each source.
        failures: Vec<String>,
        /// The published address.
        url: String,
        /// The path of the file in the model store.
        path: PathBuf,
    },
    /// Another process is downloading it.
    #[error("{name}: another program is pulling it; its lock is {path}", path = .path.display())]
    Busy {
        /// The model.
        name: String,
        /// The lock file.
        path: PathBuf,
    },
}

fn manual_instructions(name: &str, failures: &[String], url: &str, path: &Path) -> String {
    let failures = failures.join("\n  ");
    let path = path.display();
    format!(
        "{name} could not be pulled:\n  {failures}\n\
         fetch {url} by other means, and put the file at {path}"
    )
}
