//! Which network a file's variables are.

use std::cell::Cell;
use std::collections::HashMap;

use bytes::Bytes;

use super::{ARCHITECTURES, Architecture, ZooOptions};
use crate::error::Result;
use crate::tensor::{DType, Tensor};
use crate::weights::{Variables, fits, missing};

/// The network that can be built from variables of these names and shapes, with or without its last
/// layer.
///
/// Every network is tried, so depth, width and kind follow from the shapes, and no list of scopes
/// can fall behind the tables. Of several, the one with the most definite width wins. A file from
/// which none can be built is the network that finds most of its variables, if it has use for half
/// of the file: building that one then says what is missing. What training leaves (slots of
/// optimisers, averages, auxiliary classifiers, counters) does not count.
pub fn recognise<'a>(
    variables: impl IntoIterator<Item = (&'a str, &'a [usize])>,
) -> Option<&'static Architecture> {
    let shapes = ShapeProbe {
        shapes: variables.into_iter().collect(),
        found_count: Cell::new(0),
        missing_count: Cell::new(0),
    };
    let trials: Vec<Trial> = ARCHITECTURES.iter().map(|net| shapes.try_to_build(net)).collect();
    // The last of equals: in the list, networks of one width come behind those of any.
    if let Some(complete) =
        trials.iter().filter(|trial| trial.is_complete).max_by_key(|trial| trial.found_count)
    {
        return Some(complete.net);
    }
    let best = trials.iter().max_by_key(|trial| trial.found_count)?;
    (best.found_count > 0 && best.found_count * 2 >= shapes.count()).then_some(best.net)
}

struct Trial {
    net: &'static Architecture,
    /// Whether nothing is amiss.
    is_complete: bool,
    /// How many variables were found.
    found_count: usize,
}

/// Variables without values. One that is amiss is made up, as far as its shape is known, and
/// counted.
#[derive(Debug)]
struct ShapeProbe<'a> {
    shapes: HashMap<&'a str, &'a [usize]>,
    found_count: Cell<usize>,
    missing_count: Cell<usize>,
}

impl ShapeProbe<'_> {
    fn try_to_build(&self, net: &'static Architecture) -> Trial {
        let mut trial = Trial { net, is_complete: false, found_count: 0 };
        for num_classes in [None, Some(0)] {
            self.found_count.set(0);
            self.missing_count.set(0);
            let options =
                ZooOptions { num_classes, create_aux_logits: false, ..ZooOptions::default() };
            let built_ok = net.build(self, &options).is_ok();
            trial.is_complete |= built_ok && self.missing_count.get() == 0;
            trial.found_count = trial.found_count.max(self.found_count.get());
        }
        trial
    }

    /// How many variables there are that a network may have use for: a slot is named after the
    /// variable it belongs to.
    fn count(&self) -> usize {
        let is_slot = |name: &str| {
            name.rsplit_once('/').is_some_and(|(owner, _)| self.shapes.contains_key(owner))
        };
        self.shapes.iter().filter(|(name, shape)| !shape.is_empty() && !is_slot(name)).count()
    }

    /// The shape of a lost variable, from what the network asks for and the batch norm behind it.
    fn infer_shape(&self, name: &str, expected: &[Option<usize>]) -> Option<Vec<usize>> {
        let scope = name.rsplit_once('/')?.0;
        let outputs =
            || self.shapes.get(format!("{scope}/BatchNorm/beta").as_str())?.first().copied();
        expected.iter().map(|n| n.or_else(outputs)).collect()
    }
}

impl Variables for ShapeProbe<'_> {
    fn variable(&self, name: &str, expected: &[Option<usize>]) -> Result<Tensor> {
        let found =
            self.shapes.get(name).copied().filter(|found| fits(found, expected)).map(<[_]>::to_vec);
        let tally = if found.is_some() { &self.found_count } else { &self.missing_count };
        tally.set(tally.get() + 1);
        let shape = found
            .or_else(|| self.infer_shape(name, expected))
            .ok_or_else(|| missing(name, expected, []))?;
        // Text, because only of text any number of bytes is a tensor.
        Tensor::from_bytes(DType::String, shape, Bytes::new())
            .ok_or_else(|| missing(name, expected, []))
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.shapes.get(name).map(|shape| shape.to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_no_network() {
        assert!(recognise([]).is_none());
        assert!(
            recognise([("conv0/weights", &[3, 3, 3, 96][..]), ("a", &[7]), ("b", &[7])]).is_none()
        );
    }

    #[test]
    fn a_damaged_file_is_the_network_it_was() {
        let lenet = [("LeNet/conv1/weights", &[5, 5, 1, 32][..]), ("LeNet/conv1/biases", &[32])];
        assert_eq!(recognise(lenet).map(|net| net.name), Some("lenet"));
    }
}
