//! The size of a network's input.

use std::path::Path;

use lorgnette_net::Network;
use lorgnette_net::import::Signature;

use crate::error::{Error, Result};
use crate::family::Family;

/// Sides that image classifiers have, tried for a graph that does not state its own: first those
/// that networks of stride 32 divide.
const SIDES: [usize; 22] = [
    32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 384, 28, 48, 112, 150, 180, 227, 231, 240, 299,
    300, 331,
];

/// The size of the pictures that a network is fed.
#[derive(Clone, Copy, Debug)]
pub(super) struct InputSize {
    /// Rows and columns.
    pub(super) size: [usize; 2],
    /// Whether pictures are fed at their own size, and the graph brings them to `size`.
    pub(super) is_brought_by_graph: bool,
}

/// Returns rows and columns of the input: as given or declared; else those to which the graph
/// brings pictures itself; else that in its name; else the family's, if the graph's layers take it
/// and its last pool is made for it; else the first of [`SIDES`] that they take, if some are
/// refused.
pub(super) fn size(
    name: &str,
    network: &Network,
    signature: &Signature,
    given: Option<[usize; 2]>,
    family: Option<Family>,
    notes: &mut Vec<String>,
) -> Result<InputSize> {
    let error = |what: &str| Error::Model { model: name.into(), what: what.into() };
    let declared = |dimension: usize| {
        signature.input.shape.as_ref().and_then(|shape| shape.get(dimension).copied().flatten())
    };
    let is_any = declared(1).is_none() && declared(2).is_none();
    let brought = if is_any { network.resized_size() } else { None };
    // A model that was trained on the graph gives the graph's own size.
    let brought = brought.filter(|size| given.is_none_or(|given| given == *size));
    let size = match (given.or(brought), declared(1), declared(2)) {
        (Some(size), ..) => size,
        (None, Some(height), Some(width)) => [height, width],
        (None, height, width) => {
            let named = named_side(network).filter(|&side| fits(network, side));
            if let Some(side) = named {
                notes.push(format!("{name}: {side}x{side} by its name"));
            }
            let side = match family {
                _ if named.is_some() => named,
                Some(family) if network.net().is_some() => Some(family.side),
                Some(family) if fits(network, family.side) => {
                    Some(family_side(network, name, family, notes))
                }
                _ => fitting_side(network, name, notes),
            };
            let side = side.ok_or_else(|| Error::UnknownInputSize { model: name.into() })?;
            [height.unwrap_or(side), width.unwrap_or(side)]
        }
    };
    if let Some([height, width]) = brought {
        notes.push(format!(
            "{name}: the graph brings pictures to {height}x{width} itself, and is fed them at \
             their own size"
        ));
    }
    if size.contains(&0) {
        return Err(error("a picture of size 0"));
    }
    Ok(InputSize { size, is_brought_by_graph: brought.is_some() })
}

/// Returns the side in the name of a graph's file, or of its folder.
fn named_side(network: &Network) -> Option<usize> {
    if network.net().is_some() {
        return None;
    }
    let file = network.file()?;
    let names = [file.file_stem(), file.parent().and_then(Path::file_name)];
    names.into_iter().flatten().find_map(|name| side_in(name.to_str()?))
}

/// Returns the side in a name: 160 of `mobilenet_v1_0.5_160`.
fn side_in(name: &str) -> Option<usize> {
    // Others are counts of layers and steps of training.
    const PUBLISHED: [usize; 12] = [96, 128, 160, 192, 224, 240, 256, 260, 299, 331, 380, 384];
    let words = name.split(|letter: char| !letter.is_ascii_digit());
    words.rev().find_map(|word| word.parse().ok().filter(|side| PUBLISHED.contains(side)))
}

/// True if the network gives one score for each class of pictures of this side.
fn fits(network: &Network, side: usize) -> bool {
    let Ok(signature) = network.signature() else { return false };
    let answer = signature.probabilities.as_deref().unwrap_or(&signature.logits);
    let Ok(points) = network.end_points([side, side]) else { return false };
    let scores = points.iter().find(|(name, _)| name == answer).map(|(_, shape)| shape);
    scores.is_some_and(|shape| {
        let classes = shape.last().copied().unwrap_or(0);
        classes > 0 && shape.iter().product::<usize>() == classes
    })
}

/// Returns the side of the family's networks, or the first for which the graph's last pool is made
/// if it is made for another.
fn family_side(network: &Network, name: &str, family: Family, notes: &mut Vec<String>) -> usize {
    let start = format!("{name}: the graph does not state the size of its input");
    let is_made_for_another = network.last_pool_covers_its_map(family.side) == Some(false);
    let pooled = is_made_for_another.then(|| pooled_side(network)).flatten();
    let side = pooled.unwrap_or(family.side);
    notes.push(match pooled {
        Some(_) => format!("{start}: its last pool is made for {side}x{side}"),
        None => format!("{start}: {side}x{side} is that of its family: --size gives another"),
    });
    side
}

/// Returns the first side for which the last pool of a graph is made.
fn pooled_side(network: &Network) -> Option<usize> {
    let is_made_for = |&side: &usize| network.last_pool_covers_its_map(side) == Some(true);
    SIDES.into_iter().find(|side| is_made_for(side) && fits(network, *side))
}

/// Returns the first side that the layers take, if they do not take every side: rather one for
/// which the last pool is made.
fn fitting_side(network: &Network, name: &str, notes: &mut Vec<String>) -> Option<usize> {
    let fitting: Vec<usize> = SIDES.into_iter().filter(|&side| fits(network, side)).collect();
    let (&first, true) = (fitting.first()?, fitting.len() < SIDES.len()) else { return None };
    let side = pooled_side(network).unwrap_or(first);
    notes.push(format!(
        "{name}: the graph does not state the size of its input: {side}x{side} is one that its \
         layers take"
    ));
    Some(side)
}

#[cfg(test)]
mod tests {
    use super::side_in;

    #[test]
    fn names_tell_the_side() {
        for (name, side) in [
            ("mobilenet_v1_0.5_160_frozen", Some(160)),
            ("mobilenet_v1_1.0_128", Some(128)),
            ("mobilenet_v2_1.4_224", Some(224)),
            ("MobileNetV1-160x160", Some(160)),
            ("resnet_v2_152", None),
            ("densenet201", None),
            ("retrained_graph", None),
        ] {
            assert_eq!(side_in(name), side, "{name}");
        }
    }
}
