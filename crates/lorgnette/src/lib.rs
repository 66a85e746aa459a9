//! Looks at pictures with TensorFlow-Slim networks, without TensorFlow.
