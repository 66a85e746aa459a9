"""ONNX files in the forms that other people's programs leave, each with ONNX Runtime's answer to a picture that its
maker's code prepares.

    oracle/environment.sh DIR && DIR/bin/python oracle/wild_onnx.py FOLDER
    python oracle/pack_fixture.py FOLDER crates/lorgnette/tests/wild_onnx.tar.gz

`cases.json` has one entry a file, as that of wild_graphs.py. The picture is as large as the networks take it, or its
middle is, so that nothing is resized.
"""
import sys

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from wild import Cases

SIDE = 32
# The side of Inception's central 87.5 % of the picture.
MIDDLE = 28
CLASSES = 4
MEAN = np.array([0.485, 0.456, 0.406], np.float32)
DEVIATION = np.array([0.229, 0.224, 0.225], np.float32)
CAFFE_MEANS = np.array([103.939, 116.779, 123.68], np.float32)
GREY = np.array([0.2989, 0.5870, 0.1140], np.float32)


def each(values):
    """One number a channel, channels first."""
    return np.asarray(values, np.float32).reshape(1, -1, 1, 1)


class Folder(Cases):
    """The files written so far."""

    def __init__(self, path):
        super().__init__(path, SIDE, SIDE)
        Image.fromarray(self.pixels).save(self.path / 'photo.png')

    def add(self, name, feed, rule, what, begin=(), constants=(), kind=TensorProto.FLOAT, last=False, scale=1.0,
            producer='', metadata=(), scope='features'):
        """One network: `begin` makes the value `x` of `input`, then a convolution, a mean and a dense layer.

        `feed` is the prepared picture `[rows, columns, channels]`; `last` for an input with channels last.
        """
        feed = feed[np.newaxis] if last else np.moveaxis(feed, -1, 0)[np.newaxis]
        channels = feed.shape[-1 if last else 1]
        number = np.random.default_rng(sum(map(ord, name)))
        weights = {
            f'{scope}/weights': number.standard_normal((8, channels, 3, 3)).astype(np.float32) * 0.4 / scale,
            'dense/weights': number.standard_normal((8, CLASSES)).astype(np.float32) * 0.6,
            **dict(constants)}
        nodes = [
            *begin,
            helper.make_node('Conv', ['x' if begin else 'input', f'{scope}/weights'], [f'{scope}/Conv2D'], strides=[2, 2]),
            helper.make_node('Relu', [f'{scope}/Conv2D'], [f'{scope}/Relu']),
            helper.make_node('GlobalAveragePool', [f'{scope}/Relu'], ['pool']),
            helper.make_node('Flatten', ['pool'], ['flat']),
            helper.make_node('Gemm', ['flat', 'dense/weights'], ['logits']),
            helper.make_node('Softmax', ['logits'], ['prob'])]
        graph = helper.make_graph(
            nodes, name, [helper.make_tensor_value_info('input', kind, ['N', *feed.shape[1:]])],
            [helper.make_tensor_value_info('prob', TensorProto.FLOAT, ['N', CLASSES])],
            [numpy_helper.from_array(value, key) for key, value in weights.items()])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8, producer_name=producer)
        helper.set_model_props(model, dict(metadata))
        onnx.checker.check_model(model)
        content = model.SerializeToString(deterministic=True)
        (self.path / f'{name}.onnx').write_bytes(content)
        answer, = onnxruntime.InferenceSession(content).run(None, {'input': np.ascontiguousarray(feed)})
        assert answer.max() < 0.99, (name, answer)
        self.note(f'{name}.onnx', answer, rule, what)


def node(op, *inputs, to, **attributes):
    """A node with one output."""
    return helper.make_node(op, list(inputs), [to], **attributes)


def main(path):
    """Writes the folder."""
    folder = Folder(path)
    levels = folder.pixels.astype(np.float32)
    unit, signed = levels / 255, levels / 127.5 - 1
    normal = (unit - MEAN) / DEVIATION
    edge = (SIDE - MIDDLE) // 2
    middle = signed[edge:-edge, edge:-edge]
    grey = (levels @ GREY)[..., np.newaxis]
    first = [node('Transpose', 'input', to='x', perm=[0, 3, 1, 2])]
    folder.add('channels_first', signed, 'a guess', 'nothing says how pictures are fed')
    folder.add('channels_last', signed, 'a guess', 'the same, transposed by the graph', begin=first, last=True)
    for name, kinds in [('slim_first', {}), ('slim_last', {'begin': first, 'last': True})]:
        folder.add(name, middle, 'of the family', "tf2onnx leaves TF-Slim's names", scope='MobilenetV1/MobilenetV1/Conv2d_0', **kinds)
    folder.add('keras', levels[..., ::-1] - CAFFE_MEANS, 'made by Keras (VGG)', "tf2onnx leaves Keras's names", begin=first, last=True,
               scope='vgg16/block1_conv1', scale=128, producer='tf2onnx')
    folder.add('pytorch', normal, 'made by PyTorch', "PyTorch's own export", producer='pytorch')
    folder.add('pytorch_grey', grey / 127.5 - 1, 'a guess', 'PyTorch, of one channel', producer='pytorch')
    normalises = [node('Sub', 'unit', 'mean', to='centred'), node('Div', 'centred', 'deviation', to='x')]
    constants = {'mean': each(MEAN), 'deviation': each(DEVIATION)}
    begins = [node('Identity', 'input', to='unit'), *normalises]
    folder.add('pytorch_normalises', unit, 'takes 0 to 1', 'PyTorch, with its normalisation in the graph', begin=begins, constants=constants,
               producer='pytorch')
    begins = [node('Div', 'input', 'white', to='unit'), *normalises]
    constants['white'] = np.float32(255)
    folder.add('pytorch_scales', levels, 'takes 0 to 255', 'PyTorch, with all of it in the graph', begin=begins, constants=constants,
               producer='pytorch')
    cast = helper.make_node('Cast', ['input'], ['levels'], to=TensorProto.FLOAT)
    begins = [cast, node('Div', 'levels', 'white', to='unit'), *normalises]
    folder.add('bytes_first', folder.pixels, 'takes integers', 'bytes, channels first', begin=begins, constants=constants,
               kind=TensorProto.UINT8, producer='pytorch')
    begins = [cast, node('Transpose', 'levels', to='first', perm=[0, 3, 1, 2]), node('Div', 'first', 'white', to='unit'), *normalises]
    folder.add('bytes_last', folder.pixels, 'takes integers', 'bytes, channels last', begin=begins, constants=constants,
               kind=TensorProto.UINT8, last=True)
    norms = {'scale': np.ones(3, np.float32), 'offset': np.zeros(3, np.float32), 'mean': MEAN * 255, 'variance': (DEVIATION * 255) ** 2}
    begins = [node('BatchNormalization', 'input', *norms, to='x')]
    folder.add('norm_first', levels, 'takes 0 to 255', 'a batch norm of levels is the first layer', begin=begins, constants=norms)
    metadata = {'Image.BitmapPixelFormat': 'Bgr8', 'Image.NominalPixelRange': 'Normalized_0_1'}
    folder.add('windows_ml', unit[..., ::-1], 'metadata', 'metadata of Windows ML count more than who wrote it', metadata=metadata,
               producer='pytorch')
    folder.write()


if __name__ == '__main__':
    main(sys.argv[1])
