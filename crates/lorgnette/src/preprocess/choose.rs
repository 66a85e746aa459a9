//! The choice of a model's preprocessing: by the caller, the model's metadata, the graph's own
//! nodes, the program that made the graph, its family, in this order.

use std::fmt;

use lorgnette_net::import::{InputCandidate, Signature};
use lorgnette_net::network::InputArithmetic;
use lorgnette_net::{DType, Network};

use super::{ChannelOrder, Preprocessing, Preprocessor};
use crate::error::{Error, Result};
use crate::family::Family;
use crate::model::{
    CHANNELS_NOTE, FACTOR_NOTE, MEAN_NOTE, ModelOptions, PREPROCESSING_NOTE, PreprocessSource,
};

mod maker;
mod range;
mod size;

use self::range::InputRange;
use self::size::InputSize;

/// The rule by which a model's preprocessing was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PreprocessRule {
    /// The caller gave it.
    Given,
    /// The model's metadata have it.
    Metadata,
    /// The graph decodes pictures itself, at this node.
    DecodesPictures(String),
    /// The graph has nodes that would preprocess pictures before the node that is fed; this is the
    /// last.
    NodesBefore(String),
    /// The integers of the input stand for numbers of this range.
    QuantisedInput(&'static str),
    /// The input takes integers.
    IntegerInput,
    /// The graph's own arithmetic at these nodes takes values of this range.
    OwnArithmetic {
        /// The first and the last node.
        nodes: String,
        /// The range of the values that they take.
        range: &'static str,
    },
    /// A program that makes such graphs is known by this node.
    Maker {
        /// The program.
        maker: &'static str,
        /// The node.
        node: String,
    },
    /// The network is of this family, by its scopes or variables.
    Family(String),
    /// None of these: a guess that the caller should check.
    Guess,
}

impl PreprocessRule {
    /// The source of the preprocessing, in short.
    #[must_use]
    pub fn source(&self) -> PreprocessSource {
        match self {
            Self::Given => PreprocessSource::Explicit,
            Self::Guess => PreprocessSource::Assumed,
            _ => PreprocessSource::Recognised,
        }
    }
}

impl fmt::Display for PreprocessRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Given => f.write_str("as given"),
            Self::Metadata => f.write_str("by the model's metadata"),
            Self::DecodesPictures(node) => write!(f, "'{node}' decodes pictures"),
            Self::NodesBefore(node) => write!(f, "by the graph's own nodes up to '{node}'"),
            Self::QuantisedInput(range) => write!(f, "the quantised input stands for {range}"),
            Self::IntegerInput => f.write_str("the input takes integers"),
            Self::OwnArithmetic { nodes, range } => {
                write!(f, "the graph's own {nodes} takes {range}")
            }
            Self::Maker { maker, node } => write!(f, "made by {maker}, by '{node}'"),
            Self::Family(family) => write!(f, "of the family {family}"),
            Self::Guess => f.write_str("a guess"),
        }
    }
}

/// A chosen preprocessing.
#[derive(Debug)]
pub(crate) struct Chosen {
    pub(crate) preprocess: Preprocessor,
    pub(crate) rule: PreprocessRule,
    /// Whether the graph takes pictures at their own size and resizes them.
    pub(crate) resizes_itself: bool,
    /// Remarks for the user.
    pub(crate) notes: Vec<String>,
}

/// A preprocessing without its size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Style {
    pub(super) preprocessing: Preprocessing,
    pub(super) order: ChannelOrder,
    pub(super) mean: Option<[f32; 3]>,
    pub(super) scale: Option<f32>,
}

impl Style {
    pub(super) fn new(preprocessing: Preprocessing) -> Self {
        let Preprocessor { order, .. } = Preprocessor::new(preprocessing, 1, 1);
        Self { preprocessing, order, mean: None, scale: None }
    }
}

/// Sources of a preprocessing that the caller does not give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Evidence {
    /// The model's metadata and nodes, its family's name last.
    Graph,
    /// The family: the network is one that is known.
    #[cfg_attr(not(feature = "embedded"), expect(dead_code))]
    Family,
}

/// Chooses the preprocessing and the size of a network's input.
///
/// # Errors
/// If the size cannot be determined, or the input has channels that no picture has.
pub(crate) fn choose(
    name: &str,
    network: &Network,
    family: Option<Family>,
    evidence: Evidence,
    options: &ModelOptions,
) -> Result<Chosen> {
    let signature = network.signature()?;
    let before = match (network.net(), evidence) {
        (None, Evidence::Graph) => network.arithmetic_before_input()?,
        _ => None,
    };
    let (style, rule) = match (options.preprocess, evidence) {
        (Some(preprocessing), _) => (Style::new(preprocessing), PreprocessRule::Given),
        (None, Evidence::Graph) => style(network, &signature, before.as_ref(), family)?,
        (None, Evidence::Family) => by_family(family),
    };
    let mut notes = Vec::new();
    if let PreprocessRule::Maker { maker, .. } = &rule
        && let Some(sign) = maker::sign_of_guess(maker)
    {
        notes.push(format!(
            "{name}: preprocessing {} is a guess by {sign}, {maker}: the file does not say how it \
             was trained: give the one that you know",
            style.preprocessing
        ));
    }
    let before_otherwise = before.as_ref().and_then(|before| before.resizes_otherwise.as_ref());
    if let (Some(node), PreprocessRule::NodesBefore(_)) = (before_otherwise, &rule) {
        notes.push(format!(
            "{name}: '{node}' before the input resizes otherwise than pictures are resized here, \
             which is as TensorFlow 1 does: leave --input away for the graph's own values"
        ));
    }
    let InputSize { size: [height, width], is_brought_by_graph } =
        if signature.input.takes_decoded_image {
            InputSize { size: [1, 1], is_brought_by_graph: false }
        } else {
            let resized = before.and_then(|before| before.resized);
            size::size(name, network, &signature, options.size.or(resized), family, &mut notes)?
        };
    let mut preprocess = Preprocessor::new(style.preprocessing, height, width);
    preprocess.channels = channels(name, &signature.input)?.unwrap_or(preprocess.channels);
    preprocess.order = options.channels.unwrap_or(style.order);
    preprocess.mean = options.mean.or(style.mean);
    preprocess.scale = options.scale.or(style.scale);
    Ok(Chosen { preprocess, rule, resizes_itself: is_brought_by_graph, notes })
}

fn style(
    network: &Network,
    signature: &Signature,
    before: Option<&InputArithmetic>,
    family: Option<Family>,
) -> Result<(Style, PreprocessRule)> {
    if let Some(style) = noted(network) {
        return Ok((style, PreprocessRule::Metadata));
    }
    let input = &signature.input;
    if input.takes_decoded_image {
        let rule = PreprocessRule::DecodesPictures(input.name.clone());
        return Ok((Style::new(Preprocessing::Raw), rule));
    }
    if input.dtype.is_float()
        && let Some((style, before)) =
            before.and_then(|before| Some((range::linear(before)?, before)))
    {
        let last = before.nodes.last().unwrap_or(&input.name).clone();
        return Ok((style, PreprocessRule::NodesBefore(last)));
    }
    if network.net().is_some() {
        return Ok(by_family(family));
    }
    if let Some((style, rule)) = maker::custom_vision(network, signature) {
        return Ok((style, rule));
    }
    if let Some((style, rule)) = maker::teachable_machine(network, signature) {
        return Ok((style, rule));
    }
    if let Some(range) = InputRange::of_quantised(input) {
        // TF-Slim's networks are evaluated with its crop, whatever their numbers are stored as.
        let family = family.filter(|family| family.preprocessing == Preprocessing::Inception);
        if let (InputRange::Symmetric, Some(_)) = (range, family) {
            return Ok(by_family(family));
        }
        let rule = PreprocessRule::QuantisedInput(range.description());
        return Ok((Style::new(range.preprocessing()), rule));
    }
    if !input.dtype.is_float() && input.quantization.is_none() {
        // Signed bytes are pixels whose middle is 0.
        let mean = (input.dtype == DType::I8).then_some([128.0; 3]);
        let style = Style { mean, ..Style::new(Preprocessing::Raw) };
        return Ok((style, PreprocessRule::IntegerInput));
    }
    // A graph of unknown operations fails later, when it is planned.
    let arithmetic = network.input_arithmetic().unwrap_or_default();
    if let Some(range) = InputRange::of(&arithmetic) {
        let order = range::order(&arithmetic);
        let rule = PreprocessRule::OwnArithmetic {
            nodes: shown_nodes(&arithmetic.nodes),
            range: range.description(),
        };
        return Ok((Style { order, ..Style::new(range.preprocessing()) }, rule));
    }
    let made = maker::retrained(network, signature)
        .or_else(|| maker::keras(network))
        .or_else(|| maker::pytorch(network, input));
    Ok(made.unwrap_or_else(|| by_family(family)))
}

fn by_family(family: Option<Family>) -> (Style, PreprocessRule) {
    match family {
        Some(family) => {
            let rule = PreprocessRule::Family(family.scope.trim_end_matches('_').to_owned());
            (Style::new(family.preprocessing), rule)
        }
        None => (Style::new(Preprocessing::Symmetric), PreprocessRule::Guess),
    }
}

/// The preprocessing in a model's metadata: ours, or that of Windows ML and Custom Vision.
fn noted(network: &Network) -> Option<Style> {
    let own = network.metadata(PREPROCESSING_NOTE).and_then(|name| name.parse().ok());
    if let Some(preprocessing) = own {
        let style = Style::new(preprocessing);
        let order = network.metadata(CHANNELS_NOTE).and_then(|order| order.parse().ok());
        let mean = network.metadata(MEAN_NOTE).and_then(|mean| serde_json::from_str(mean).ok());
        let scale = network.metadata(FACTOR_NOTE).and_then(|factor| factor.parse().ok());
        return Some(Style { order: order.unwrap_or(style.order), mean, scale, ..style });
    }
    let order = match network.metadata("Image.BitmapPixelFormat")? {
        "Bgr8" | "Bgra8" => ChannelOrder::Bgr,
        _ => ChannelOrder::Rgb,
    };
    let preprocessing = match network.metadata("Image.NominalPixelRange") {
        Some("Normalized_0_1") => Preprocessing::Unit,
        Some("Normalized_1_1") => Preprocessing::Symmetric,
        _ => Preprocessing::Raw,
    };
    Some(Style { order, ..Style::new(preprocessing) })
}

/// Returns the number of channels that the graph declares.
fn channels(name: &str, input: &InputCandidate) -> Result<Option<usize>> {
    let declared = input.shape.as_ref().and_then(|shape| shape.last().copied().flatten());
    match declared {
        None | Some(1 | 3) => Ok(declared),
        Some(channels) => Err(Error::Model {
            model: name.into(),
            what: format!(
                "its input '{}' takes {channels} channels, and pictures have 3 (red, green, blue) \
                 or 1 (grey): feed it tensors of that shape",
                input.name
            ),
        }),
    }
}

fn shown_nodes(nodes: &[String]) -> String {
    match nodes {
        [] => "first layer".to_owned(),
        [one] => format!("'{one}'"),
        [first, .., last] => format!("'{first}' to '{last}'"),
    }
}
