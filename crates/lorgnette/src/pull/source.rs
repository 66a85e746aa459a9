//! Sources of a model's file.

use std::path::{Path, PathBuf};

use super::PullOptions;
use crate::catalogue::Entry;

/// An address or a path of a model's file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Url(String),
    File(PathBuf),
}

impl Source {
    /// All sources, in order.
    pub(super) fn all(entry: &Entry, options: &PullOptions) -> Vec<Self> {
        let file = entry.published.file();
        let parse_all =
            |names: &[String]| names.iter().map(|name| Self::parse(name, file)).collect::<Vec<_>>();
        if !options.from.is_empty() {
            return parse_all(&options.from);
        }
        let published = entry.addresses().into_iter().map(Self::Url);
        parse_all(&options.mirrors).into_iter().chain(published).collect()
    }

    /// The source's name in messages.
    pub(super) fn display_name(&self) -> &str {
        match self {
            Self::Url(url) => url,
            Self::File(path) => path.to_str().unwrap_or("a file"),
        }
    }

    /// Parses a mirror; `file` is appended to folders.
    fn parse(name: &str, file: &str) -> Self {
        if is_url(name) {
            return Self::Url(if names_file(name) {
                name.into()
            } else {
                format!("{}/{file}", name.trim_end_matches('/'))
            });
        }
        let path = Path::new(name);
        Self::File(if path.is_dir() { path.join(file) } else { path.into() })
    }
}

/// True if a text is an address and not a path.
pub(super) fn is_url(text: &str) -> bool {
    let scheme = text.split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase());
    scheme.is_some_and(|scheme| scheme == "http" || scheme == "https")
}

/// True if an address ends in an archive's name, before a query.
fn names_file(url: &str) -> bool {
    let path = url.split(['?', '#']).next().unwrap_or(url).to_ascii_lowercase();
    [".tgz", ".tar.gz", ".tar", ".zip"].iter().any(|extension| path.ends_with(extension))
}

#[cfg(test)]
mod tests {
    use super::Source;

    #[test]
    fn a_mirror_is_a_file_or_a_folder_of_files() {
        let parse = |name: &str| Source::parse(name, "a.tgz");
        assert_eq!(
            parse("https://host/b.tar.gz?key=1"),
            Source::Url("https://host/b.tar.gz?key=1".into())
        );
        assert_eq!(parse("http://host/models/"), Source::Url("http://host/models/a.tgz".into()));
        assert_eq!(parse("/nowhere/b.tgz"), Source::File("/nowhere/b.tgz".into()));
        let here = env!("CARGO_MANIFEST_DIR");
        assert_eq!(parse(here), Source::File(std::path::Path::new(here).join("a.tgz")));
    }
}
