//! The catalogue of the models that TF-Slim's authors published.
//!
//! ```
//! let entry = lorgnette::catalogue::find("vgg_16")?;
//! assert_eq!((entry.net.classes, entry.side()), (1000, 224));
//! let error = lorgnette::catalogue::find("vgg_61").unwrap_err();
//! assert!(error.to_string().contains("vgg_16"));
//! # Ok::<_, lorgnette::Error>(())
//! ```

pub(crate) mod open;

use lorgnette_net::zoo::{ARCHITECTURES, Architecture, Published};

use crate::error::Result;

/// The name of the embedded network.
pub const EMBEDDED_NAME: &str = "mobilenet_v1_1.0_224";

/// A published model.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its name: the architecture's for the first file of an architecture, the published file's for
    /// the others.
    pub name: String,
    /// Its architecture.
    pub net: &'static Architecture,
    /// Its published file.
    pub published: &'static Published,
}

/// All published models, by family.
#[must_use]
pub fn entries() -> Vec<Entry> {
    let entries_for = |net: &'static Architecture| {
        let name = |at: usize, published: &Published| {
            if at == 0 { net.name } else { published.stem() }.to_owned()
        };
        let entry = move |(at, published)| Entry { name: name(at, published), net, published };
        net.published.iter().enumerate().map(entry)
    };
    ARCHITECTURES.iter().flat_map(entries_for).collect()
}

/// Finds the model with this name, or whose file has this name (with or without extension).
///
/// # Errors
/// [`lorgnette_net::Error::Unknown`] with the nearest names.
pub fn find(name: &str) -> Result<Entry> {
    let entries = entries();
    let has_name = |entry: &&Entry| {
        [entry.name.as_str(), entry.published.stem(), entry.published.file()].contains(&name)
    };
    if let Some(entry) =
        entries.iter().find(|entry| entry.name == name).or_else(|| entries.iter().find(has_name))
    {
        return Ok(entry.clone());
    }
    let names = entries.iter().map(|entry| entry.name.as_str()).chain([EMBEDDED_NAME]);
    Err(lorgnette_net::Error::unknown("model", name, names).into())
}

impl Entry {
    /// Side of its input in pixels.
    #[must_use]
    pub fn side(&self) -> usize {
        self.published.side
    }

    /// The addresses it was published under, in order of preference. The bucket behind
    /// `download.tensorflow.org` has its own address, which supports TLS.
    #[must_use]
    pub fn addresses(&self) -> Vec<String> {
        const SITE: &str = "http://download.tensorflow.org/";
        const BUCKET: &str = "https://storage.googleapis.com/download.tensorflow.org/";
        let url = self.published.url;
        match (url.strip_prefix(SITE), url.strip_prefix(BUCKET)) {
            (Some(path), _) => vec![format!("{BUCKET}{path}"), url.into()],
            (_, Some(path)) => vec![url.into(), format!("{SITE}{path}")],
            _ => vec![url.into()],
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::{entries, find};

    #[test]
    fn every_name_is_one_models() {
        let entries = entries();
        let names: HashSet<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
        assert_eq!(names.len(), entries.len());
        assert_eq!(
            entries.iter().filter(|entry| entry.name.starts_with("mobilenet_v1")).count(),
            16
        );
        assert_eq!(
            entries.iter().filter(|entry| entry.name.starts_with("mobilenet_v2")).count(),
            22
        );
        let files: HashSet<&str> = entries.iter().map(|entry| entry.published.url).collect();
        assert_eq!(files.len(), entries.len());
    }

    #[test]
    fn a_model_is_found_by_its_files_name_too() {
        assert_eq!(find("resnet_v2_50_2017_04_14.tar.gz").unwrap().name, "resnet_v2_50");
        assert_eq!(find("mobilenet_v1_0.5_160").unwrap().side(), 160);
    }

    #[test]
    fn old_addresses_have_a_safe_one_before_them() {
        let addresses = find("vgg_19").unwrap().addresses();
        assert!(
            addresses[0].starts_with(
                "https://storage.googleapis.com/download.tensorflow.org/models/vgg_19"
            )
        );
        assert!(addresses[1].starts_with("http://download.tensorflow.org/models/vgg_19"));
    }
}
