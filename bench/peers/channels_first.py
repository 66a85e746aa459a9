"""Gives an ONNX model of `lorgnette export` a fixed batch and an input with channels first, as its other users' models have.

    python channels_first.py IN.onnx OUT.onnx --batch 1

Beside it goes OUT.json with the input's shape and the name of the scores.
The export takes pictures as TensorFlow does and begins by transposing them; a peer should not be timed doing that.
"""
import argparse
import json
import pathlib

import onnx


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('source', type=pathlib.Path)
    parser.add_argument('to', type=pathlib.Path)
    parser.add_argument('--batch', type=int, default=1)
    arguments = parser.parse_args()
    model = onnx.load(str(arguments.source))
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    entry = next(port for port in graph.input if port.name not in weights)
    _, height, width, channels = [side.dim_value for side in entry.type.tensor_type.shape.dim]
    readers = [node for node in graph.node if entry.name in node.input]
    if len(readers) == 1 and readers[0].op_type == 'Transpose':
        # What read the transposed input reads the input.
        transposed = readers[0].output[0]
        for node in graph.node:
            for i, name in enumerate(node.input):
                if name == transposed:
                    node.input[i] = entry.name
        graph.node.remove(readers[0])
        shape = [arguments.batch, channels, height, width]
    else:
        raise SystemExit(f'{arguments.source}: does not begin by transposing its input')
    for side, length in zip(entry.type.tensor_type.shape.dim, shape):
        side.dim_value = length
    for answer in graph.output:
        if answer.type.tensor_type.shape.dim:
            answer.type.tensor_type.shape.dim[0].dim_value = arguments.batch
    onnx.save(model, str(arguments.to))
    # The scores come first, then the probabilities that are made of them.
    arguments.to.with_suffix('.json').write_text(json.dumps({'shape': shape, 'output': graph.output[0].name}))


if __name__ == '__main__':
    main()
