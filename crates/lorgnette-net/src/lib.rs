//! Networks of TensorFlow-Slim: weights file in, activations out, without TensorFlow.
