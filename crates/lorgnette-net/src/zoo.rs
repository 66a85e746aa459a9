//! The image networks of TF-Slim, built from their variables.
//!
//! Each family has a file, which reads like the table in the paper, in TF-Slim's terms. Nodes have
//! TF-Slim's names, such as `InceptionV3/InceptionV3/Mixed_7c/concat`.
//!
//! ```
//! use lorgnette_net::zoo::{self, ZooOptions};
//!
//! let net = zoo::find("mobilenet_v1")?;
//! assert_eq!((net.side, net.classes, net.preprocessing), (224, 1001, "inception"));
//! let nothing = std::collections::BTreeMap::new();
//! let error = net.build(&nothing, &ZooOptions::default()).unwrap_err();
//! let missing = "there is no variable 'MobilenetV1/Conv2d_0/weights' of shape [3, 3, 3, any]";
//! assert_eq!(error.to_string(), missing);
//! # Ok::<_, lorgnette_net::Error>(())
//! ```

mod alexnet;
mod cifarnet;
mod cost;
mod inception_resnet_v2;
mod inception_v1;
mod inception_v2;
mod inception_v3;
mod inception_v4;
mod lenet;
mod mobilenet;
mod mobilenet_v1;
mod mobilenet_v2;
mod mobilenet_v3;
mod nasnet;
mod options;
mod overfeat;
mod pnasnet;
mod random_weights;
mod recognise;
mod resnet;
mod slim;
mod vgg;

pub use crate::weights::{PreferEma, Variables, fits, missing, wrong_shape};
pub use cost::Cost;
pub use options::{Setting, ZooOptions};
pub use random_weights::RandomWeights;
pub use recognise::recognise;

use crate::error::{Error, Result};
use crate::graph::{Graph, NodeId};
use crate::names::nearest;
use crate::tensor::Tensor;
use slim::{BuildResult, Slim};

/// All networks, by family.
pub static ARCHITECTURES: &[Architecture] = &[
    alexnet::ALEXNET_V2,
    cifarnet::CIFARNET,
    overfeat::OVERFEAT,
    vgg::VGG_A,
    vgg::VGG_16,
    vgg::VGG_19,
    inception_v1::INCEPTION_V1,
    inception_v2::INCEPTION_V2,
    inception_v3::INCEPTION_V3,
    inception_v4::INCEPTION_V4,
    inception_resnet_v2::INCEPTION_RESNET_V2,
    lenet::LENET,
    resnet::RESNET_V1_50,
    resnet::RESNET_V1_101,
    resnet::RESNET_V1_152,
    resnet::RESNET_V1_200,
    resnet::RESNET_V2_50,
    resnet::RESNET_V2_101,
    resnet::RESNET_V2_152,
    resnet::RESNET_V2_200,
    mobilenet_v1::MOBILENET_V1,
    mobilenet_v1::MOBILENET_V1_075,
    mobilenet_v1::MOBILENET_V1_050,
    mobilenet_v1::MOBILENET_V1_025,
    mobilenet_v2::MOBILENET_V2,
    mobilenet_v2::MOBILENET_V2_140,
    mobilenet_v2::MOBILENET_V2_035,
    mobilenet_v3::MOBILENET_V3_SMALL,
    mobilenet_v3::MOBILENET_V3_LARGE,
    mobilenet_v3::MOBILENET_V3_SMALL_MINIMALISTIC,
    mobilenet_v3::MOBILENET_V3_LARGE_MINIMALISTIC,
    mobilenet_v3::MOBILENET_EDGETPU,
    mobilenet_v3::MOBILENET_EDGETPU_075,
    nasnet::NASNET_CIFAR,
    nasnet::NASNET_MOBILE,
    nasnet::NASNET_LARGE,
    pnasnet::PNASNET_LARGE,
    pnasnet::PNASNET_MOBILE,
];

/// Returns the network of a name.
///
/// # Errors
/// [`Error::Unknown`] with the nearest names if it does not exist.
pub fn find(name: &str) -> Result<&'static Architecture> {
    ARCHITECTURES.iter().find(|net| net.name == name).ok_or_else(|| Error::Unknown {
        kind: "network",
        name: name.into(),
        nearest: nearest(name, ARCHITECTURES.iter().map(|net| net.name)),
    })
}

/// A network of the zoo.
#[derive(Debug)]
pub struct Architecture {
    /// The name in TF-Slim.
    pub name: &'static str,
    /// The common name of its family.
    pub family: &'static str,
    /// The paper.
    pub paper: &'static str,
    /// The side of its images, in pixels.
    pub side: usize,
    /// The channels of its images.
    pub channels: usize,
    /// The published number of classes: 1000, or 1001 where 0 is background.
    pub classes: usize,
    /// The preprocessing of images, by TF-Slim's name: `vgg`, `inception`, `lenet` or `cifarnet`.
    pub preprocessing: &'static str,
    /// The files that TF-Slim's authors published.
    pub published: &'static [Published],
    /// The options that it supports, besides `num_classes`, `final_endpoint` and `size`.
    pub settings: &'static [Setting],
    build_fn: fn(&mut Slim<'_>) -> BuildResult<()>,
}

/// A published checkpoint of a network.
#[derive(Clone, Copy, Debug)]
pub struct Published {
    /// The original address, which may no longer work.
    pub url: &'static str,
    /// The size in bytes, if known.
    pub bytes: Option<u64>,
    /// The side of the training images, in pixels.
    pub side: usize,
    /// Top-1 accuracy on ImageNet's validation images, in per cent.
    pub top1: Option<f32>,
    /// Top-5 accuracy, in per cent.
    pub top5: Option<f32>,
    /// The depth multiplier, if the network has one.
    width: Option<f64>,
    /// The table of a variant that a depth multiplier alone does not describe.
    build_fn: Option<fn(&mut Slim<'_>) -> BuildResult<()>>,
}

impl Published {
    const fn new(url: &'static str, side: usize, top1: f32, top5: f32) -> Self {
        Self {
            url,
            bytes: None,
            side,
            top1: Some(top1),
            top5: Some(top5),
            width: None,
            build_fn: None,
        }
    }

    const fn with_width(self, width: f64) -> Self {
        Self { width: Some(width), ..self }
    }

    const fn with_build_fn(self, build_fn: fn(&mut Slim<'_>) -> BuildResult<()>) -> Self {
        Self { build_fn: Some(build_fn), ..self }
    }

    /// Returns the last part of the address.
    pub fn file(&self) -> &'static str {
        self.url.rsplit('/').next().unwrap_or(self.url)
    }

    /// Returns the file's name without its extension: `mobilenet_v2_0.75_192`.
    pub fn stem(&self) -> &'static str {
        let file = self.file();
        file.strip_suffix(".tar.gz").or_else(|| file.strip_suffix(".tgz")).unwrap_or(file)
    }
}

impl Architecture {
    /// Builds the network. Nothing is computed, and weights are not copied.
    ///
    /// # Errors
    /// The errors of [`Variables::variable`]; [`Error::Input`] for an option that the network does
    /// not support; [`Error::Unknown`] for an unknown `final_endpoint`.
    pub fn build(&self, variables: &dyn Variables, options: &ZooOptions) -> Result<ZooGraph> {
        self.check(options)?;
        // Unless given, the number of classes is the published one.
        let published = ZooOptions {
            num_classes: options.num_classes.or(Some(self.classes)),
            ..options.clone()
        };
        let options = if variables.has_shapes() { options } else { &published };
        let mut slim = Slim::new(variables, options, self.side, self.channels);
        let end = (self.build_fn)(&mut slim);
        slim.finish(end)
    }

    /// Builds the network of a published file: its depth multiplier, and its image size.
    /// `num_classes` is as in [`ZooOptions`]. Variables of another width are an error.
    ///
    /// # Errors
    /// As for [`Architecture::build`].
    pub fn build_published(
        &self,
        published: &Published,
        variables: &dyn Variables,
        num_classes: Option<usize>,
    ) -> Result<ZooGraph> {
        let options = ZooOptions {
            num_classes,
            depth_multiplier: published.build_fn.map_or(published.width, |_| None),
            size: Some([published.side; 2]),
            create_aux_logits: false,
            ..ZooOptions::default()
        };
        let mut slim = Slim::new(variables, &options, self.side, self.channels);
        let end = published.build_fn.unwrap_or(self.build_fn)(&mut slim);
        slim.finish(end)
    }

    fn check(&self, options: &ZooOptions) -> Result<()> {
        if let Some(setting) = options.changed().find(|setting| !self.settings.contains(setting)) {
            return Err(Error::Input(format!("{} has no {setting}", self.name)));
        }
        match options.depth_multiplier {
            Some(multiplier) if !(multiplier > 0.0 && multiplier.is_finite()) => Err(Error::Input(
                format!("depth_multiplier {multiplier}: give a number greater than zero"),
            )),
            _ => Ok(()),
        }
    }
}

/// A network built by the zoo.
#[derive(Clone, Debug)]
pub struct ZooGraph {
    /// The whole graph, including the auxiliary classifier; no outputs are set.
    pub graph: Graph,
    /// The input node, `[batch, height, width, channels]`.
    pub input: String,
    /// The node with one value per class; `None` if there are no classes.
    pub logits: Option<String>,
    /// The node with one probability per class.
    pub probabilities: Option<String>,
    /// The features: the input of the last layer.
    pub features: String,
    /// The number of classes, if any.
    pub classes: Option<usize>,
    /// TF-Slim's end points and their nodes, in the order of computation.
    pub end_points: Vec<(String, NodeId)>,
    /// The nodes that are variables, under their own names.
    pub variables: Vec<NodeId>,
}

impl ZooGraph {
    /// Returns the part of the network that computes `names`: nodes, end points or tensors
    /// (`name:0`). The `fed` nodes become inputs, or constants if they have a value.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the nearest names if one does not exist.
    pub fn fetching(&self, names: &[&str], fed: &[(NodeId, Option<Tensor>)]) -> Result<Graph> {
        let mut graph = self.graph.clone();
        for (id, value) in fed {
            graph.feed(*id, value.clone());
        }
        graph.set_outputs(names.iter().map(|name| self.node(name)).collect::<Result<_>>()?);
        Ok(graph.pruned())
    }

    /// Returns the node of a node's, end point's or tensor's name.
    ///
    /// # Errors
    /// [`Error::Unknown`] with the nearest names if it does not exist.
    pub fn node(&self, name: &str) -> Result<NodeId> {
        let node = name.strip_suffix(":0").unwrap_or(name);
        let end_point =
            self.end_points.iter().find(|(end_point, _)| end_point == node).map(|(_, id)| *id);
        end_point
            .or_else(|| self.graph.iter().find(|(_, known)| known.name == node).map(|(id, _)| id))
            .ok_or_else(|| {
                let names = self.end_points.iter().map(|(name, _)| name);
                let names = names
                    .chain(self.graph.nodes().iter().map(|node| &node.name))
                    .map(String::as_str);
                Error::Unknown {
                    kind: "end point or node",
                    name: name.into(),
                    nearest: nearest(node, names),
                }
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_unique_and_found() {
        for net in ARCHITECTURES {
            assert!(std::ptr::eq(find(net.name).unwrap(), net), "{}", net.name);
        }
        assert_eq!(ARCHITECTURES.len(), 38);
        let message = find("inception_5").unwrap_err().to_string();
        assert!(message.contains("inception_v"), "{message}");
    }

    #[test]
    fn an_option_the_network_does_not_have_is_refused() {
        let options = ZooOptions { output_stride: Some(16), ..ZooOptions::default() };
        let nothing = std::collections::BTreeMap::new();
        let message = find("vgg_16").unwrap().build(&nothing, &options).unwrap_err().to_string();
        assert_eq!(message, "vgg_16 has no output_stride");
    }
}
