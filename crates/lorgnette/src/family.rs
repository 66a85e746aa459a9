//! Recognises a graph's family by its scopes, which determines its preprocessing.

use lorgnette_net::Network;

use crate::preprocess::Preprocessing;

/// A family of networks with common scopes and preprocessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Family {
    /// The prefix of its scopes.
    pub(crate) scope: &'static str,
    pub(crate) preprocessing: Preprocessing,
    /// Side of its input, for graphs that do not state it.
    pub(crate) side: usize,
}

const fn family(scope: &'static str, preprocessing: Preprocessing, side: usize) -> Family {
    Family { scope, preprocessing, side }
}

/// TF-Slim's scopes (`research/slim/nets`) with the preprocessing of its `preprocessing_factory.py`
/// and the default image size of each network. ResNet V2's published checkpoints were trained with
/// Inception's at 299, though the factory says otherwise.
const FAMILIES: &[Family] = &[
    family("InceptionV1", Preprocessing::Inception, 224),
    family("InceptionV2", Preprocessing::Inception, 224),
    family("InceptionV3", Preprocessing::Inception, 299),
    family("InceptionV4", Preprocessing::Inception, 299),
    family("InceptionResnetV2", Preprocessing::Inception, 299),
    family("MobilenetV1", Preprocessing::Inception, 224),
    family("MobilenetV2", Preprocessing::Inception, 224),
    family("MobilenetV3", Preprocessing::Inception, 224),
    family("MobilenetEdgeTPU", Preprocessing::Inception, 224),
    family("resnet_v1_", Preprocessing::Vgg, 224),
    family("resnet_v2_", Preprocessing::Inception, 299),
    family("vgg_", Preprocessing::Vgg, 224),
    family("alexnet_v2", Preprocessing::Vgg, 224),
    family("overfeat", Preprocessing::Vgg, 231),
    family("LeNet", Preprocessing::Lenet, 28),
    family("CifarNet", Preprocessing::Cifarnet, 32),
    // NASNet and PNASNet have no scope around the whole network; this is the scope of their first
    // cell.
    family("cell_stem_0", Preprocessing::Inception, 224),
];

/// The family of a network of the zoo, or the family whose scopes a graph has.
pub(crate) fn recognise(network: &Network) -> Option<Family> {
    if let Some(net) = network.net() {
        let side = net.published.first().map_or(net.side, |published| published.side);
        let preprocessing = net.preprocessing.parse().expect("the zoo names styles there are");
        return Some(Family { scope: net.name, preprocessing, side });
    }
    let family_of_node = |name: &str| {
        name.split('/').find_map(|scope| FAMILIES.iter().find(|f| belongs(scope, f.scope)))
    };
    network.node_names().find_map(family_of_node).copied()
}

/// True if `scope` is the family's name, possibly followed by a size or a running number.
fn belongs(scope: &str, family: &str) -> bool {
    let rest = scope.strip_prefix(family);
    rest.is_some_and(|rest| rest.is_empty() || family.ends_with('_') || rest.starts_with('_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_distinguished() {
        assert!(
            belongs("vgg_16", "vgg_")
                && belongs("resnet_v1_50", "resnet_v1_")
                && belongs("InceptionV3_1", "InceptionV3")
        );
        assert!(
            !belongs("InceptionV3", "InceptionV1") && !belongs("InceptionResnetV2", "InceptionV2")
        );
    }
}
