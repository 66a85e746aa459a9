"""TensorFlow Lite files written operator by operator, and LiteRT's answers to them."""
