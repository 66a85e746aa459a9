//! A photo whose class is known, and what a model said of it.

use std::path::PathBuf;

/// A photo, its true classes and the probability a model gave to each class.
#[derive(Clone, Debug, PartialEq)]
pub struct Scored {
    /// The photo's file.
    pub photo: PathBuf,
    /// Its true classes, as indices into the probabilities: one, or several where photos have several labels.
    pub truth: Vec<usize>,
    /// One for each class, from 0 to 1. They sum to 1, but for models of several labels.
    pub probabilities: Vec<f32>,
}
