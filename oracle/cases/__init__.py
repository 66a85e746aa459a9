"""The graphs of `operations.py`, a file a family. Each public function takes the `Fixtures` to add its graphs to."""
