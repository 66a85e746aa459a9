//! `lorgnette run`: feeds and fetches tensors by TensorFlow's names.

use std::collections::HashMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context as _, Result, anyhow, bail};
use clap::Args;
use lorgnette::net::file::read_regular;
use lorgnette::net::{DType, Network, Tensor, npy, scores, write_atomically};
use lorgnette::picture::OpenOptions;
use lorgnette::preprocess::decoded_image;

use crate::Outcome;
use crate::arguments::Global;
use crate::messages::Messages;
use crate::model;

/// Feed tensors to a network and fetch others
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, override_usage = USAGE)]
pub(crate) struct Arguments {
    /// The network, as for --model
    #[arg(value_name = "MODEL")]
    named: Option<OsString>,

    /// Feeds the tensor NAME from a NumPy file; or a photo where the network decodes one
    #[arg(long, value_name = "NAME=FILE", num_args = 1.., required = true)]
    feed: Vec<Feed>,

    /// Fetches the tensor NAME; logits, probabilities and features are the classifier's
    #[arg(long, value_name = "NAME", num_args = 1.., required = true)]
    fetch: Vec<String>,

    /// Where to write NAME.npy for each tensor fetched; / and : become _
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

/// clap's own usage is one line of 86 columns.
const USAGE: &str = "\
lorgnette run [OPTIONS] --feed <NAME=FILE>... --fetch <NAME>...
                     --out <DIR> [MODEL]";

const EXAMPLES: &str = "\
NAME is a TensorFlow node (input) or tensor (input:0); any can be fed or
fetched.

Examples:
  lorgnette run inception.pb --feed Mul=pixels.npy --fetch softmax pool_3 \\
      --out answers/
  lorgnette run inception.pb --feed DecodeJpeg/contents=panda.jpg \\
      --fetch softmax:0 --out answers/
  lorgnette run mobilenet_v1_1.0_224 --feed input=x.npy \\
      --fetch MobilenetV1/Predictions/Softmax --out .";

/// A tensor to feed.
#[derive(Clone, Debug)]
struct Feed {
    name: String,
    file: PathBuf,
}

impl FromStr for Feed {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (name, file) = text
            .split_once('=')
            .filter(|(name, file)| !name.is_empty() && !file.is_empty())
            .ok_or(
                "expected NAME=FILE.npy, such as input=pixels.npy (the network is named before \
                 the first --feed)",
            )?;
        Ok(Self { name: name.into(), file: file.into() })
    }
}

impl Feed {
    /// Reads the tensor; returns it with its name.
    fn read<'a>(&'a self, network: &'a Network) -> Result<(&'a str, Tensor)> {
        let is_array = self.file.extension().is_some_and(|ending| ending == "npy");
        match network.decoder(&self.name).filter(|_| !is_array) {
            Some(decoder) => Ok((decoder, pixels(network, decoder, &self.file)?)),
            None => Ok((&self.name, read(&self.file)?)),
        }
    }
}

/// A photo's pixels as the node `decoder` decodes them: as stored, without EXIF orientation.
fn pixels(network: &Network, decoder: &str, file: &Path) -> Result<Tensor> {
    let options = OpenOptions { ignore_orientation: true, ..OpenOptions::default() };
    let picture = options.open(file)?;
    let decoding = network.decoding(decoder)?;
    let decoding = decoding.with_context(|| format!("'{decoder}' decodes no pictures"))?;
    let image =
        decoded_image(&picture, &decoding).map_err(|what| anyhow!("{}: {what}", file.display()))?;
    Ok(Tensor::from_floats(decoding.dtype, &image.shape, image.values))
}

/// Runs the network once.
pub(crate) fn run(arguments: &Arguments, global: &Global, messages: Messages) -> Result<Outcome> {
    let files = files(&arguments.fetch)?;
    let network = model::open_network(arguments.named.as_deref(), global)?;
    let fed: Vec<(&str, Tensor)> =
        arguments.feed.iter().map(|feed| feed.read(&network)).collect::<Result<_>>()?;
    let feeds: Vec<(&str, &Tensor)> = fed.iter().map(|(name, tensor)| (*name, tensor)).collect();
    let fetches: Vec<&str> = arguments.fetch.iter().map(String::as_str).collect();
    let answers = run_network(&network, &feeds, &fetches)?;
    fs::create_dir_all(&arguments.out)
        .with_context(|| format!("{}: cannot be made", arguments.out.display()))?;
    for ((name, file), tensor) in fetches.iter().zip(files).zip(&answers) {
        let path = arguments.out.join(file);
        write_atomically(&path, &npy::write(tensor))
            .with_context(|| format!("{}: cannot be written", path.display()))?;
        messages.note(&format_args!(
            "{name} {:?} {:?} in {}",
            tensor.shape(),
            tensor.dtype(),
            path.display()
        ));
    }
    Ok(Outcome::Done)
}

/// Runs the network. `logits`, `probabilities` and `features` are those of the classifier, where no
/// node has that name.
fn run_network(
    network: &Network,
    feeds: &[(&str, &Tensor)],
    fetches: &[&str],
) -> Result<Vec<Tensor>> {
    let signature = network.signature().ok();
    let mut softmaxed = vec![false; fetches.len()];
    let mut nodes = Vec::with_capacity(fetches.len());
    for (&name, softmaxed) in fetches.iter().zip(&mut softmaxed) {
        let alias = match (&signature, name) {
            (Some(signature), "logits") => Some(signature.logits.clone()),
            (Some(signature), "probabilities") => {
                *softmaxed = signature.probabilities.is_none();
                signature.probabilities.clone().or_else(|| Some(signature.logits.clone()))
            }
            (Some(signature), "features") => signature.features.clone(),
            _ => None,
        };
        let is_node = || network.node_names().any(|node| node == name);
        match alias.filter(|_| !is_node()) {
            Some(node) => nodes.push(node),
            None => {
                *softmaxed = false;
                nodes.push(name.to_owned());
            }
        }
    }
    let mut wanted: Vec<&str> = Vec::new();
    for node in &nodes {
        if !wanted.contains(&node.as_str()) {
            wanted.push(node);
        }
    }
    let values = network.run(feeds, &wanted)?;
    let value = |(node, softmaxed): (&String, bool)| {
        let index = wanted.iter().position(|wanted| wanted == node).unwrap_or_default();
        if softmaxed { softmax_rows(&values[index]) } else { values[index].clone() }
    };
    Ok(nodes.iter().zip(softmaxed).map(value).collect())
}

/// Softmax over the last dimension.
fn softmax_rows(logits: &Tensor) -> Tensor {
    let classes = logits.shape().last().copied().unwrap_or(1).max(1);
    let values = logits.to_f32();
    let probabilities = values.chunks(classes).flat_map(scores::softmax).collect();
    Tensor::from_floats(DType::F32, logits.shape(), probabilities)
}

fn read(file: &Path) -> Result<Tensor> {
    let bytes = read_regular(file, u64::MAX)
        .with_context(|| format!("{}: cannot be read", file.display()))?;
    npy::read(&bytes).map_err(|what| anyhow!("{}: {what}", file.display()))
}

/// The file name of each tensor.
///
/// # Errors
/// If two tensors would have the same file.
fn files(fetches: &[String]) -> Result<Vec<String>> {
    let mut names = HashMap::new();
    let file = |name: &String| {
        let file = format!("{}.npy", name.replace(['/', ':'], "_"));
        match names.insert(file.clone(), name.clone()) {
            Some(other) => {
                bail!("'{other}' and '{name}' would both be written to {file}: fetch one at a time")
            }
            None => Ok(file),
        }
    };
    fetches.iter().map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::{Feed, files};

    #[test]
    fn slashes_and_colons_become_underscores() {
        assert_eq!(files(&["a/b:0".into(), "c".into()]).unwrap(), ["a_b_0.npy", "c.npy"]);
        assert!(files(&["a/b".into(), "a_b".into()]).is_err());
    }

    #[test]
    fn a_feed_is_a_name_and_a_file() {
        let feed: Feed = "input:0=dir/a=b.npy".parse().unwrap();
        assert_eq!((feed.name.as_str(), feed.file.to_str()), ("input:0", Some("dir/a=b.npy")));
        assert!("model.pb".parse::<Feed>().is_err());
    }
}
