"""Times one peer on one model of `bench/compare`, as often as it is asked to.

    python peer.py ENGINE MODEL.onnx --threads 2 --seconds 3 --input X.f32 [--answer Y.f32]
    python peer.py ENGINE MODEL.onnx --threads 2 --photos FOLDER_OR_PHOTO

ENGINE  onnxruntime | onnxruntime-int8 | openvino-f32 | openvino-bf16 | openvino-int8 | litert-int8 | mnn | ncnn | tensorflow | zentf (these two
        with a Python of TensorFlow's own)
X is the input, little-endian float32 by photo, channel, row and column; its shape is in MODEL.json. What the engine makes of it is
written to Y. Then it says {"load_s": ...}, and for each line that it is given {"min_ms": ..., "median_ms": ..., "runs": ...} of so many
seconds: so the model is loaded once for all turns. MNN reads MODEL.mnn, ncnn MODEL.ncnn.param and .bin, TensorFlow MODEL.pb, LiteRT
MODEL.int8.tflite, ONNX Runtime of integers MODEL.int8.onnx, OpenVINO of integers MODEL.nncf.xml, each beside the ONNX file. ncnn knows no batches:
it is given one photo after the other. With --photos the engine is opened once and names each photo's best class, in place of
being timed: that is for whoever times the whole process.
"""
import argparse
import json
import os
import pathlib
import sys
import time

import numpy as np

FEWEST_RUNS = 3
# Milliseconds after which the first run counts: caches that were cold at its start are nothing beside it.
LONG = 1000


class Model:
    """A model's files, and what MODEL.json says of it."""

    def __init__(self, path):
        about = json.loads(path.with_suffix('.json').read_text())
        self.path, self.shape, self.output = path, about['shape'], about['output']

    def beside(self, suffix):
        return str(self.path.with_suffix(suffix))


# Each of these opens a model and gives two functions: one turns pixels, channels first, into what the engine takes, which does not
# count; the other computes the scores.

def onnxruntime(model, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(model.path), options, providers=['CPUExecutionProvider'])
    name = session.get_inputs()[0].name
    return lambda x: x, lambda x: session.run([model.output], {name: x})[0]


def channels_last(x):
    return np.ascontiguousarray(x.transpose(0, 2, 3, 1))


def onnxruntime_integers(model, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(model.beside('.int8.onnx'), options, providers=['CPUExecutionProvider'])
    name, scores = session.get_inputs()[0].name, session.get_outputs()[0].name
    return channels_last, lambda x: session.run([scores], {name: x})[0]


def litert(model, threads):
    from ai_edge_litert.interpreter import Interpreter
    net = Interpreter(model_path=model.beside('.int8.tflite'), num_threads=threads)
    net.allocate_tensors()
    entry, scores = net.get_input_details()[0], net.get_output_details()[0]

    def prepare(x):
        scale, zero = entry['quantization']
        limits = np.iinfo(entry['dtype'])
        return np.clip(np.rint(channels_last(x) / scale) + zero, limits.min, limits.max).astype(entry['dtype'])

    def run(x):
        net.set_tensor(entry['index'], x)
        net.invoke()
        scale, zero = scores['quantization']
        return (net.get_tensor(scores['index']).astype('f4') - zero) * np.float32(scale)
    return prepare, run


def openvino(precision, ending=None):
    def prepare(model, threads):
        import openvino
        options = {'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_NUM_THREADS': threads, 'INFERENCE_PRECISION_HINT': precision}
        path = model.beside(ending) if ending else str(model.path)
        compiled = openvino.Core().compile_model(path, 'CPU', options)
        request = compiled.create_infer_request()
        return lambda x: x, lambda x: request.infer({0: x})[model.output]
    return prepare


def mnn(model, threads):
    import MNN.expr
    import MNN.nn
    import MNN.numpy
    manager = MNN.nn.create_runtime_manager(({'backend': 'CPU', 'numThread': threads, 'precision': 'high'},))
    net = MNN.nn.load_module_from_file(model.beside('.mnn'), ['input'], [model.output], runtime_manager=manager)
    as_nchw = lambda value: MNN.expr.convert(value, MNN.expr.NCHW)
    prepare = lambda x: MNN.expr.convert(MNN.numpy.array(x), MNN.expr.NC4HW4)
    return prepare, lambda x: as_nchw(net.forward(x)).read()


def ncnn(model, threads):
    import ncnn
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
    # Zero is success.
    if net.load_param(model.beside('.ncnn.param')) or net.load_model(model.beside('.ncnn.bin')):
        raise SystemExit(f'ncnn cannot read {model.beside(".ncnn.param")}')

    def run(photos):
        scores = []
        for photo in photos:
            extractor = net.create_extractor()
            extractor.input('in0', photo)
            outcome, answer = extractor.extract('out0')
            if outcome != 0:
                raise SystemExit('ncnn cannot compute this network')
            scores.append(np.array(answer))
        return np.stack(scores)
    return lambda x: [ncnn.Mat(photo).clone() for photo in np.ascontiguousarray(x)], run


def tensorflow(model, threads):
    os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
    import tensorflow
    tf = tensorflow.compat.v1
    tf.disable_eager_execution()
    graph = tf.GraphDef()
    graph.ParseFromString(model.path.with_suffix('.pb').read_bytes())
    tf.import_graph_def(graph, name='')
    entry = next(node.name for node in graph.node if node.op == 'Placeholder')
    session = tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1))
    # Compiled once: what is fed and fetched is the same every time.
    run = session.make_callable(f'{model.output}:0', [f'{entry}:0'])
    return channels_last, run


def zentf(model, threads):
    # The plug-in's own switch; TensorFlow's oneDNN is then off.
    os.environ.update(TF_ENABLE_ZENDNN_OPTS='1', TF_ENABLE_ONEDNN_OPTS='0')
    return tensorflow(model, threads)


# What NNCF leaves in floats is computed in float32.
ENGINES = {'onnxruntime': onnxruntime, 'onnxruntime-int8': onnxruntime_integers, 'openvino-f32': openvino('f32'), 'openvino-bf16': openvino('bf16'),
           'openvino-int8': openvino('f32', '.nncf.xml'), 'litert-int8': litert, 'mnn': mnn, 'ncnn': ncnn, 'tensorflow': tensorflow, 'zentf': zentf}


def time_runs(run, x, seconds):
    """Milliseconds of each run, the shortest first."""
    def timed():
        started = time.perf_counter()
        run(x)
        return (time.perf_counter() - started) * 1e3
    end = time.perf_counter() + seconds
    times = [first for first in [timed()] if first > LONG]
    while len(times) < FEWEST_RUNS or time.perf_counter() < end:
        times.append(timed())
    return sorted(times)


# What VGG and ResNet V1 take from red, green and blue.
VGG_MEAN = (123.68, 116.78, 103.94)


def prepared_photo(path, size, is_vgg=False):
    """A photo as Inception and MobileNet take it, -1 to 1, or as VGG does: the central 87.5 %, bilinear to `size`; channels first."""
    from PIL import Image
    height, width = size
    photo = Image.open(path).convert('RGB')
    crop = [(length - length * 0.875) // 2 for length in photo.size]
    box = (crop[0], crop[1], photo.width - crop[0], photo.height - crop[1])
    pixels = np.asarray(photo.resize((width, height), Image.BILINEAR, box=box), 'f4')
    pixels = pixels - np.array(VGG_MEAN, 'f4') if is_vgg else pixels / 127.5 - 1
    return np.ascontiguousarray(pixels.transpose(2, 0, 1)[None])


def name_photos(prepare, run, path, side):
    for photo in sorted(path.glob('*.[jJ][pP]*[gG]') if path.is_dir() else [path]):
        # Engines print things of their own in between.
        print(f'answer,{photo},{np.asarray(run(prepare(prepared_photo(photo, (side, side))))).argmax()}')


def say(**what):
    print(json.dumps(what), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('engine', choices=ENGINES)
    parser.add_argument('model', type=pathlib.Path)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--seconds', type=float, default=3)
    parser.add_argument('--input', type=pathlib.Path)
    parser.add_argument('--answer', type=pathlib.Path)
    parser.add_argument('--photos', type=pathlib.Path)
    arguments = parser.parse_args()
    model = Model(arguments.model)
    started = time.perf_counter()
    prepare, run = ENGINES[arguments.engine](model, arguments.threads)
    loaded = time.perf_counter() - started
    if arguments.photos:
        return name_photos(prepare, run, arguments.photos, model.shape[2])
    x = prepare(np.fromfile(arguments.input, '<f4').reshape(model.shape))
    answer = run(x)
    if arguments.answer:
        np.asarray(answer, '<f4').tofile(arguments.answer)
    say(load_s=loaded)
    for _ in sys.stdin:
        times = time_runs(run, x, arguments.seconds)
        say(min_ms=times[0], median_ms=times[len(times) // 2], runs=len(times))


if __name__ == '__main__':
    main()
