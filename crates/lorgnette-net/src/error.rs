//! Errors between a weights file and activations.

use std::fmt;
use std::path::PathBuf;

use crate::names::nearest;

/// The result type of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error. Its message names the file or the node, the fault and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused an access.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file concerned.
        path: PathBuf,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The file's content is invalid.
    #[error("{path}: {what}", path = .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// The fault and the remedy.
        what: String,
    },
    /// A variable of a checkpoint is damaged, missing, or of another shape or type than needed.
    #[error("{path}: variable '{name}': {what}", path = .path.display())]
    Variable {
        /// The checkpoint, or the damaged file of it.
        path: PathBuf,
        /// The variable's name.
        name: String,
        /// The fault.
        what: String,
    },
    /// The graph is valid but contains unknown operations; all of them are listed.
    #[error("{}", unsupported_message(.0))]
    Unsupported(Vec<UnsupportedNode>),
    /// A node of the graph contradicts itself or its inputs.
    #[error("node '{node}' ({op}): {what}")]
    Node {
        /// The node's name.
        node: String,
        /// The node's operation.
        op: String,
        /// The fault.
        what: String,
    },
    /// A name that does not exist.
    #[error("there is no {kind} '{name}'{}", nearest_message(.nearest))]
    Unknown {
        /// The kind of thing that was named: a node, an input, …
        kind: &'static str,
        /// The name that was given.
        name: String,
        /// Similar names that exist.
        nearest: Vec<String>,
    },
    /// A variable that the network needs does not exist.
    #[error("there is no variable '{name}' of shape \
         {}{}", display_shape(.wanted), nearest_message(&display_variables(.nearest)))]
    Missing {
        /// The variable's name.
        name: String,
        /// The shape that is needed; `None` stands for any length.
        wanted: Vec<Option<usize>>,
        /// Variables of similar names, with their shapes.
        nearest: Vec<(String, Vec<usize>)>,
    },
    /// Several choices are possible and the graph does not decide between them.
    #[error("{what}: {}", .candidates.join(", "))]
    Ambiguous {
        /// The option that decides.
        choice: Choice,
        /// The choice to be made.
        what: String,
        /// The possible choices.
        candidates: Vec<String>,
    },
    /// A checkpoint of a network that is not in the zoo, and no graph with it.
    #[error("{path}: {what}", path = .path.display())]
    UnknownArchitecture {
        /// The checkpoint.
        path: PathBuf,
        /// Its variables.
        what: String,
    },
    /// An archive, and no cache folder to unpack it to.
    #[error(
        "{path}: an archive, and there is no folder to unpack it to: unpack it yourself",
        path = .path.display()
    )]
    NoCache {
        /// The archive.
        path: PathBuf,
    },
    /// An option that was fixed when a plan file was made.
    #[error(
        "{path}: a plan file is as it was made{made_with}: choose {option} when the model is \
         converted",
        path = .path.display()
    )]
    FixedByPlanFile {
        /// The plan file.
        path: PathBuf,
        /// The option.
        option: PlanFileOption,
        /// The values that it was made with, where they are of interest.
        made_with: String,
    },
    /// A graph that decodes photos itself cannot be exported from there.
    #[error("{name}: it decodes photos itself: name the node that takes its pixels as the input")]
    DecodesPhotos {
        /// The network's file, or its name if it is in no file.
        name: String,
    },
    /// An input that the outputs depend on was not fed.
    #[error("input '{name}' must be fed too")]
    MissingInput {
        /// The node's name.
        name: String,
    },
    /// An argument of the caller that does not fit the network.
    #[error("{0}")]
    Input(String),
    /// More memory is needed than the limit allows.
    #[error(
        "{what} needs {} MiB, over the limit of {}",
        .needed.div_ceil(1 << 20),
        display_limit(*.limit)
    )]
    Memory {
        /// The purpose of the memory.
        what: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed; 0 if the system refused them.
        limit: u64,
    },
}

/// The option that decides an ambiguity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Choice {
    /// The path of the model.
    Path,
    /// [`LoadOptions::input`](crate::LoadOptions::input).
    Input,
    /// [`LoadOptions::output`](crate::LoadOptions::output).
    Output,
    /// [`LoadOptions::checkpoint`](crate::LoadOptions::checkpoint).
    Checkpoint,
    /// [`LoadOptions::signature`](crate::LoadOptions::signature).
    Signature,
}

/// An option that a plan file fixes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanFileOption {
    /// [`LoadOptions::net`](crate::LoadOptions::net).
    Net,
    /// [`LoadOptions::zoo`](crate::LoadOptions::zoo).
    Zoo,
    /// [`LoadOptions::checkpoint`](crate::LoadOptions::checkpoint).
    Checkpoint,
    /// [`LoadOptions::use_ema`](crate::LoadOptions::use_ema).
    UseEma,
    /// [`RunOptions::numerics`](crate::RunOptions::numerics).
    Numerics,
}

impl fmt::Display for PlanFileOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Net => "the network",
            Self::Zoo => "the network's options",
            Self::Checkpoint => "the checkpoint",
            Self::UseEma => "the raw weights",
            Self::Numerics => "number formats",
        })
    }
}

/// Formats a shape: `[3, 3, any, 64]`.
pub(crate) fn display_shape(shape: &[Option<usize>]) -> String {
    let lengths: Vec<String> =
        shape.iter().map(|n| n.map_or("any".into(), |n| n.to_string())).collect();
    format!("[{}]", lengths.join(", "))
}

/// Formats each variable: `'name' [1, 2]`.
pub(crate) fn display_variables(variables: &[(String, Vec<usize>)]) -> Vec<String> {
    variables.iter().map(|(name, shape)| format!("'{name}' {shape:?}")).collect()
}

impl Error {
    /// Returns an [`Error::Unknown`] with the most similar of `names`.
    pub fn unknown<'a>(
        kind: &'static str,
        name: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self::Unknown { kind, name: name.into(), nearest: nearest(name, names) }
    }

    /// Returns an [`Error::Node`].
    pub(crate) fn node(node: &str, op: &str, what: impl Into<String>) -> Self {
        Self::Node { node: node.into(), op: op.into(), what: what.into() }
    }
}

/// A node whose operation, or a use of it, is unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsupportedNode {
    /// The node's name.
    pub node: String,
    /// The operation's name in TensorFlow.
    pub op: String,
    /// The unknown aspect; empty if the whole operation is unknown.
    pub what: String,
}

fn unsupported_message(nodes: &[UnsupportedNode]) -> String {
    const MAX_SHOWN: usize = 20;
    let mut message = format!(
        "the fetched output needs {} that Lorgnette does not know:",
        count(nodes.len(), "node")
    );
    for node in nodes.iter().take(MAX_SHOWN) {
        message += &format!("\n  {} '{}'", node.op, node.node);
        if !node.what.is_empty() {
            message += &format!(": {}", node.what);
        }
    }
    if nodes.len() > MAX_SHOWN {
        message += &format!("\n  and {} more", nodes.len() - MAX_SHOWN);
    }
    message
}

fn display_limit(bytes: u64) -> String {
    match bytes {
        0 => "the system".into(),
        _ => format!("{} MiB", bytes >> 20),
    }
}

fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

fn nearest_message(names: &[String]) -> String {
    if names.is_empty() {
        String::new()
    } else {
        format!("; the nearest names are: {}", names.join(", "))
    }
}
