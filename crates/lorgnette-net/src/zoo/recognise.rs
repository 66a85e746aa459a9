//! Recognises the network of a file from its variables.

use std::cell::Cell;
use std::collections::HashMap;

use bytes::Bytes;

use super::{ARCHITECTURES, Architecture, ZooOptions};
use crate::error::Result;
use crate::tensor::{DType, Tensor};
use crate::weights::{Variables, fits, missing};

/// Returns the network that can be built from variables of these names and shapes, with or without
/// its last layer.
///
/// Every network is tried, until its first variables are all missing: depth, width and kind follow
/// from the shapes, and there is no separate list of scopes to maintain. If several match, the one
/// with the most specific width wins. If none matches completely, the result is the network that
/// finds most of its variables, provided that it uses half of the file; building it then reports
/// the missing variables. Remains of training (optimiser slots, averages, auxiliary classifiers,
/// counters) do not count.
pub fn recognise<'a>(
    variables: impl IntoIterator<Item = (&'a str, &'a [usize])>,
) -> Option<&'static Architecture> {
    let shapes = ShapeProbe {
        shapes: variables.into_iter().collect(),
        found_count: Cell::new(0),
        missing_count: Cell::new(0),
    };
    let trials: Vec<Trial> = ARCHITECTURES.iter().map(|net| shapes.try_to_build(net)).collect();
    // The last of equals: in the list, networks of fixed width follow those of any width.
    if let Some(complete) =
        trials.iter().filter(|trial| trial.is_complete).max_by_key(|trial| trial.found_count)
    {
        return Some(complete.net);
    }
    let best = trials.iter().max_by_key(|trial| trial.found_count)?;
    (best.found_count > 0 && best.found_count * 2 >= shapes.count()).then_some(best.net)
}

/// A network is given up when more variables than this are missing and none was found: building
/// every network to its end took a tenth of the time in which a checkpoint of ResNet-50 is opened.
const MAX_FIRST_MISSES: usize = 32;

/// The most variables that a classifier reads after the features.
const MAX_CLASSIFIER_VARIABLES: usize = 8;

struct Trial {
    net: &'static Architecture,
    /// Whether all variables were found.
    is_complete: bool,
    /// The number of variables that were found.
    found_count: usize,
    /// The number of variables that were missing or of another shape.
    missing_count: usize,
}

/// Variables without values. A missing or mismatching one is replaced, if its shape is known, and
/// recorded.
#[derive(Debug)]
struct ShapeProbe<'a> {
    shapes: HashMap<&'a str, &'a [usize]>,
    found_count: Cell<usize>,
    missing_count: Cell<usize>,
}

impl ShapeProbe<'_> {
    fn try_to_build(&self, net: &'static Architecture) -> Trial {
        let mut trial = self.try_with_classes(net, None);
        // Without classes a network reads the same variables but for its classifier's.
        let may_lack_classifier = (1..=MAX_CLASSIFIER_VARIABLES).contains(&trial.missing_count);
        if !trial.is_complete && may_lack_classifier {
            trial.is_complete = self.try_with_classes(net, Some(0)).is_complete;
        }
        trial
    }

    fn try_with_classes(&self, net: &'static Architecture, num_classes: Option<usize>) -> Trial {
        self.found_count.set(0);
        self.missing_count.set(0);
        let options = ZooOptions { num_classes, create_aux_logits: false, ..ZooOptions::default() };
        let is_built = net.build(self, &options).is_ok();
        let (found_count, missing_count) = (self.found_count.get(), self.missing_count.get());
        Trial { net, is_complete: is_built && missing_count == 0, found_count, missing_count }
    }

    /// Returns the number of variables that a network may read. A slot is excluded: it is named
    /// after its variable.
    fn count(&self) -> usize {
        let is_slot = |name: &str| {
            name.rsplit_once('/').is_some_and(|(owner, _)| self.shapes.contains_key(owner))
        };
        self.shapes.iter().filter(|(name, shape)| !shape.is_empty() && !is_slot(name)).count()
    }

    /// Infers the shape of a missing variable from the request and from the batch norm after it.
    fn infer_shape(&self, name: &str, expected: &[Option<usize>]) -> Option<Vec<usize>> {
        let scope = name.rsplit_once('/')?.0;
        expected
            .iter()
            .map(|n| {
                n.or_else(|| {
                    self.shapes.get(format!("{scope}/BatchNorm/beta").as_str())?.first().copied()
                })
            })
            .collect()
    }
}

impl Variables for ShapeProbe<'_> {
    fn variable(&self, name: &str, expected: &[Option<usize>]) -> Result<Tensor> {
        let found =
            self.shapes.get(name).copied().filter(|found| fits(found, expected)).map(<[_]>::to_vec);
        let tally = if found.is_some() { &self.found_count } else { &self.missing_count };
        tally.set(tally.get() + 1);
        if self.found_count.get() == 0 && self.missing_count.get() > MAX_FIRST_MISSES {
            return Err(missing(name, expected, []));
        }
        let shape = found
            .or_else(|| self.infer_shape(name, expected))
            .ok_or_else(|| missing(name, expected, []))?;
        // A text tensor may have any number of bytes.
        Tensor::from_shared(DType::String, shape, Bytes::new())
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
