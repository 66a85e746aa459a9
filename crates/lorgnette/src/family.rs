//! What a graph's scopes tell of its network: how it wants its pictures.

use lorgnette_net::Network;

use crate::preprocess::Style;

/// A family of networks that share scopes and preprocessing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Family {
    /// How a scope of it begins.
    scope: &'static str,
    /// Its preprocessing.
    pub(crate) style: Style,
    /// The side of its input, where the graph does not say.
    pub(crate) side: usize,
}

const fn family(scope: &'static str, style: Style, side: usize) -> Family {
    Family { scope, style, side }
}

/// TF-Slim's scopes (`research/slim/nets`) with the preprocessing of its `preprocessing_factory.py`
/// and the default image size of each network. ResNet V2's published checkpoints were trained with
/// Inception's at 299, though the factory says otherwise.
const FAMILIES: &[Family] = &[
    family("InceptionV1", Style::Inception, 224),
    family("InceptionV2", Style::Inception, 224),
    family("InceptionV3", Style::Inception, 299),
    family("InceptionV4", Style::Inception, 299),
    family("InceptionResnetV2", Style::Inception, 299),
    family("MobilenetV1", Style::Inception, 224),
    family("MobilenetV2", Style::Inception, 224),
    family("MobilenetV3", Style::Inception, 224),
    family("MobilenetEdgeTPU", Style::Inception, 224),
    family("resnet_v1_", Style::Vgg, 224),
    family("resnet_v2_", Style::Inception, 299),
    family("vgg_", Style::Vgg, 224),
    family("alexnet_v2", Style::Vgg, 224),
    family("overfeat", Style::Vgg, 231),
    family("LeNet", Style::Lenet, 28),
    family("CifarNet", Style::Cifarnet, 32),
    // NASNet and PNASNet have no scope of their own around all; their first cell's has this name.
    family("cell_stem_0", Style::Inception, 224),
];

/// The family of a network of the zoo, or the one whose scopes a graph has.
pub(crate) fn recognise(network: &Network) -> Option<Family> {
    if let Some(net) = network.net() {
        let side = net.published.first().map_or(net.side, |published| published.side);
        let style = net.preprocessing.parse().expect("the zoo names styles there are");
        return Some(Family { scope: net.name, style, side });
    }
    let of_name = |name: &str| {
        name.split('/').find_map(|scope| FAMILIES.iter().find(|f| belongs(scope, f.scope)))
    };
    network.node_names().find_map(of_name).copied()
}

/// Whether a scope is a family's: its name, perhaps with a size or a running number behind it.
fn belongs(scope: &str, family: &str) -> bool {
    let rest = scope.strip_prefix(family);
    rest.is_some_and(|rest| rest.is_empty() || family.ends_with('_') || rest.starts_with('_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_told_apart() {
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
