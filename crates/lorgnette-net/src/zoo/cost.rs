//! The cost of a network: its parameters and multiplications, counted on the graph itself.

use std::collections::{BTreeMap, HashMap};

use super::{Architecture, Published, RandomWeights, ZooGraph};
use crate::error::Result;
use crate::graph::Node;
use crate::graph::TensorOrLazy;
use crate::graph::shape::TypedGraph;
use crate::graph::shape_inference::infer_shapes;
use crate::summary::macs;

/// The variables of a published network, and the cost of one image.
#[derive(Clone, Debug)]
pub struct Cost {
    /// The variables that inference reads, with their shapes, without the auxiliary classifier.
    pub variables: BTreeMap<String, Vec<usize>>,
    /// The number of learned elements: weights, biases, scales and offsets of batch norms, without
    /// moving means and variances. Papers count the same way.
    pub parameters: u64,
    /// Multiply-accumulate operations of convolutions and matrix products, for one image of the
    /// published size.
    pub macs: u64,
    /// The end points in the order of computation, with their shapes for one image.
    pub end_points: Vec<(String, Vec<usize>)>,
}

impl Architecture {
    /// Computes the network's cost at the width, image size and classes of a published file.
    ///
    /// # Errors
    /// Never fails for the files of this network's own [`Architecture::published`].
    pub fn cost(&self, published: &Published) -> Result<Cost> {
        let zoo_graph = self.build_published(published, &RandomWeights, Some(self.classes))?;
        let typed = self.typed(&zoo_graph, published.side)?;
        let variables = zoo_graph.variables.iter().map(|&id| zoo_graph.graph.node(id));
        let shape = |node: &Node| {
            TensorOrLazy::from_op(&node.op).map_or(Vec::new(), |value| value.shape().to_vec())
        };
        let variables = variables.map(|node| (node.name.clone(), shape(node))).collect();
        let end_points = end_points(&zoo_graph, &typed);
        let macs =
            typed.graph.iter().map(|(id, node)| macs(&typed, node, typed.fact(id).len())).sum();
        Ok(Cost { parameters: parameters(&variables), variables, macs, end_points })
    }

    fn typed(&self, zoo_graph: &ZooGraph, side: usize) -> Result<TypedGraph> {
        let mut graph = zoo_graph.graph.clone();
        graph.set_outputs(zoo_graph.end_points.iter().map(|(_, id)| *id).collect());
        infer_shapes(
            &graph,
            &HashMap::from([(zoo_graph.input.clone(), vec![1, side, side, self.channels])]),
        )
    }
}

/// Counts the elements of learned variables.
fn parameters(variables: &BTreeMap<String, Vec<usize>>) -> u64 {
    let learned = variables.iter().filter(|(name, _)| !name.contains("/moving_"));
    learned.map(|(_, shape)| shape.iter().product::<usize>() as u64).sum()
}

fn end_points(zoo_graph: &ZooGraph, typed: &TypedGraph) -> Vec<(String, Vec<usize>)> {
    zoo_graph
        .end_points
        .iter()
        .map(|(name, id)| (name.clone(), typed.fact(*id).shape.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::zoo::{ARCHITECTURES, RandomWeights, find};
    use crate::{LoadOptions, Network, RunOptions};

    /// Millions of parameters and multiplications, as published in the papers, TF-Slim's tables and
    /// torchvision's.
    #[test]
    fn counts_are_the_published_ones() {
        for (name, at, parameters, macs) in [
            ("vgg_16", 0, 138.36, Some(15_470.0)),
            ("vgg_19", 0, 143.67, Some(19_630.0)),
            ("resnet_v1_50", 0, 25.56, None),
            ("resnet_v1_101", 0, 44.55, None),
            ("inception_v1", 0, 6.63, Some(1_500.0)),
            ("inception_v3", 0, 23.83, Some(5_720.0)),
            ("mobilenet_v1", 0, 4.24, Some(569.0)),
            ("mobilenet_v1_050", 2, 1.34, Some(76.0)),
            ("mobilenet_v1_025", 3, 0.47, Some(14.0)),
            ("mobilenet_v2", 0, 3.47, Some(300.0)),
            ("mobilenet_v2", 6, 2.61, Some(209.0)),
            ("mobilenet_v2_140", 0, 6.06, Some(582.0)),
            ("mobilenet_v2_035", 0, 1.66, Some(59.0)),
            ("mobilenet_v3_large", 0, 5.4, Some(217.0)),
            ("mobilenet_v3_small", 0, 2.5, Some(56.0)),
            ("mobilenet_v3_large", 1, 4.0, Some(155.0)),
            ("mobilenet_v3_small", 1, 2.0, Some(44.0)),
            ("nasnet_mobile", 0, 5.3, Some(564.0)),
            ("nasnet_large", 0, 88.9, Some(23_800.0)),
            ("pnasnet_large", 0, 86.1, Some(25_000.0)),
        ] {
            let net = find(name).unwrap();
            let cost = net.cost(&net.published[at]).unwrap();
            let near = |found: u64, published: f64| {
                let millions = found as f64 / 1e6;
                millions.round() == published || (millions / published - 1.0).abs() < 0.025
            };
            assert!(near(cost.parameters, parameters), "{name}: {} parameters", cost.parameters);
            assert!(
                macs.is_none_or(|macs| near(cost.macs, macs)),
                "{name}: {} multiplications",
                cost.macs
            );
        }
    }

    #[test]
    fn an_outline_costs_what_its_network_does() {
        for name in [
            "vgg_16",
            "inception_v3",
            "resnet_v2_50",
            "mobilenet_v2",
            "mobilenet_v3_large",
            "nasnet_mobile",
        ] {
            let net = find(name).unwrap();
            let network = Network::from_architecture(
                net,
                Arc::new(RandomWeights),
                LoadOptions::default(),
                RunOptions::with_threads(Some(1)),
            )
            .unwrap();
            let published = &net.published[0];
            let (cost, summary) =
                (net.cost(published).unwrap(), network.summary([published.side; 2], None).unwrap());
            assert_eq!(
                (summary.parameters(), summary.macs()),
                (cost.parameters, cost.macs),
                "{name}"
            );
        }
    }

    #[test]
    fn every_published_file_is_counted() {
        for net in ARCHITECTURES {
            for published in net.published {
                let cost = net
                    .cost(published)
                    .unwrap_or_else(|error| panic!("{}: {error}", published.url));
                assert!(cost.parameters > 400_000 && cost.macs > 10_000_000, "{}", published.url);
                assert_eq!(
                    cost.end_points.last().unwrap().1.last(),
                    Some(&net.classes),
                    "{}",
                    published.url
                );
            }
        }
    }
}
