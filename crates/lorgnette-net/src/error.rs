//! What can go wrong between a weights file and activations, by whose fault it is.

use std::path::PathBuf;

use crate::names::nearest;

/// Shorthand for this crate's results.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. The message names the file or the node, what is wrong with it, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system refused.
    #[error("{path}: {source}", path = .path.display())]
    Io {
        /// The file it was about.
        path: PathBuf,
        /// Its reason.
        source: std::io::Error,
    },
    /// The file is not what it should be.
    #[error("{path}: {what}", path = .path.display())]
    Format {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        what: String,
    },
    /// A variable of a checkpoint is damaged, missing, or not what is needed.
    #[error("{path}: variable '{name}': {what}", path = .path.display())]
    Variable {
        /// The checkpoint, or the file of it that is at fault.
        path: PathBuf,
        /// The variable's name.
        name: String,
        /// What is wrong with it.
        what: String,
    },
    /// The graph is sound, but has operations Lorgnette does not know; all of them at once.
    #[error("{}", unsupported_message(.0))]
    Unsupported(Vec<UnsupportedNode>),
    /// A node of the graph contradicts itself or its inputs.
    #[error("node '{node}' ({op}): {what}")]
    Node {
        /// The node's name.
        node: String,
        /// Its operation.
        op: String,
        /// What is wrong with it.
        what: String,
    },
    /// A name nobody has, with the nearest ones there are.
    #[error("there is no {kind} '{name}'{}", nearest_message(.nearest))]
    Unknown {
        /// What was looked for: a node, an input, …
        kind: &'static str,
        /// The name asked for.
        name: String,
        /// Names like it.
        nearest: Vec<String>,
    },
    /// A variable that the network needs is not there.
    #[error("there is no variable '{name}' of shape {}{}", display_shape(.wanted), nearest_message(&display_variables(.nearest)))]
    Missing {
        /// Its name.
        name: String,
        /// The shape it is needed in; `None` is any length.
        wanted: Vec<Option<usize>>,
        /// Variables there are with names like it, and their shapes.
        nearest: Vec<(String, Vec<usize>)>,
    },
    /// The caller must choose, because the graph does not say.
    #[error("{what}: {}", .candidates.join(", "))]
    Ambiguous {
        /// What has to be chosen.
        what: String,
        /// Among what.
        candidates: Vec<String>,
    },
    /// A value the caller passed does not fit the network.
    #[error("{0}")]
    Input(String),
    /// More memory would be needed than is allowed.
    #[error("{what} needs {} MiB, over the limit of {} MiB", .needed >> 20, .limit >> 20)]
    Memory {
        /// What needs it.
        what: String,
        /// Bytes needed.
        needed: u64,
        /// Bytes allowed.
        limit: u64,
    },
}

/// `[3, 3, any, 64]`.
pub(crate) fn display_shape(shape: &[Option<usize>]) -> String {
    let lengths: Vec<String> =
        shape.iter().map(|n| n.map_or("any".into(), |n| n.to_string())).collect();
    format!("[{}]", lengths.join(", "))
}

/// `'name' [1, 2]` each.
pub(crate) fn display_variables(variables: &[(String, Vec<usize>)]) -> Vec<String> {
    variables.iter().map(|(name, shape)| format!("'{name}' {shape:?}")).collect()
}

impl Error {
    /// An [`Error::Unknown`] with the few of `names` that are most like `name`.
    pub fn unknown<'a>(
        kind: &'static str,
        name: &str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Self::Unknown { kind, name: name.into(), nearest: nearest(name, names) }
    }

    /// An [`Error::Node`].
    pub(crate) fn node(node: &str, op: &str, what: impl Into<String>) -> Self {
        Self::Node { node: node.into(), op: op.into(), what: what.into() }
    }
}

/// A node whose operation, or use of it, is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnsupportedNode {
    /// The node's name.
    pub node: String,
    /// The operation, as TensorFlow names it.
    pub op: String,
    /// What about it is not known; empty where the operation as a whole is not.
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
