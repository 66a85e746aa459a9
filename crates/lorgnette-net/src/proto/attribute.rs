//! Names of the attributes that nodes have in no graph of TensorFlow's: the readers of other
//! formats write them, and the import reads them.

/// The reason why a node cannot be run.
pub(crate) const REFUSED: &str = "_refused";
/// The scales of the activations that are read.
pub(crate) const INPUT_SCALES: &str = "input_scales";
/// Their zero points.
pub(crate) const INPUT_ZERO_POINTS: &str = "input_zero_points";
/// The scales of a filter's output channels.
pub(crate) const FILTER_SCALES: &str = "filter_scales";
/// A filter's zero point.
pub(crate) const FILTER_ZERO_POINT: &str = "filter_zero_point";
/// The scale of the result.
pub(crate) const SCALE: &str = "scale";
/// The zero point of the result.
pub(crate) const ZERO_POINT: &str = "zero_point";
/// The type of the result.
pub(crate) const TYPE: &str = "dtype";
/// The lowest real number of the result, if there is one.
pub(crate) const LOW: &str = "low";
/// The highest real number of the result, if there is one.
pub(crate) const HIGH: &str = "high";
/// A factor of a softmax's values.
pub(crate) const BETA: &str = "beta";
/// The slope of a leaky ReLU.
pub(crate) const SLOPE: &str = "alpha";
/// Whether a range that is chosen at run time is symmetric.
pub(crate) const IS_SYMMETRIC: &str = "symmetric";
/// The number of values that have one such range; 0 for those of a picture.
pub(crate) const ROW: &str = "row";
/// Whether reduced dimensions are kept.
pub(crate) const KEEP_DIMS: &str = "keep_dims";
