"""Times one peer's forward pass: input in memory, so many seconds, one line of JSON as `lorgnette bench` prints it.

    python peer.py ENGINE MODEL.onnx --threads 2 --seconds 3

ENGINE  onnxruntime | openvino-f32 | openvino-bf16 | mnn | ncnn | tensorflow (reads MODEL.pb beside it, with TensorFlow's own Python)
The shape is the model's own. Weights are the model's, inputs random; every engine is told how many threads it may use.
"""
import argparse
import json
import os
import pathlib
import time

import numpy as np

WARM_UP_RUNS = 2
FEWEST_RUNS = 5


def onnxruntime(model, threads):
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(model), options, providers=['CPUExecutionProvider'])
    port = session.get_inputs()[0]
    return port.shape, lambda x: session.run(None, {port.name: x})


def openvino(precision):
    def prepare(model, threads):
        import openvino
        options = {'PERFORMANCE_HINT': 'LATENCY', 'INFERENCE_NUM_THREADS': threads, 'INFERENCE_PRECISION_HINT': precision}
        compiled = openvino.Core().compile_model(str(model), 'CPU', options)
        request = compiled.create_infer_request()
        return list(compiled.input(0).shape), lambda x: request.infer({0: x})
    return prepare


def mnn(model, threads):
    import MNN.expr
    import MNN.nn
    import MNN.numpy
    manager = MNN.nn.create_runtime_manager(({'backend': 'CPU', 'numThread': threads, 'precision': 'high'},))
    net = MNN.nn.load_module_from_file(str(model.with_suffix('.mnn')), [], [], runtime_manager=manager)
    # It wants its own order of axes, which is made beforehand so that it does not count.
    prepared = {}

    def run(x):
        if id(x) not in prepared:
            prepared[id(x)] = MNN.expr.convert(MNN.numpy.array(x), MNN.expr.NC4HW4)
        net.forward(prepared[id(x)]).read()
    return json.loads(model.with_suffix('.shape.json').read_text()), run


def ncnn(model, threads):
    import ncnn
    net = ncnn.Net()
    net.opt.num_threads = threads
    net.opt.use_fp16_packed = net.opt.use_fp16_storage = net.opt.use_fp16_arithmetic = net.opt.use_bf16_storage = False
    if net.load_param(str(model.with_suffix('.ncnn.param'))) or net.load_model(str(model.with_suffix('.ncnn.bin'))):
        raise SystemExit(f'ncnn: {model} was not converted')
    shape = json.loads(model.with_suffix('.shape.json').read_text())
    if shape[0] != 1:
        raise SystemExit('ncnn: one picture at a time')

    def run(x):
        extractor = net.create_extractor()
        extractor.input('in0', ncnn.Mat(x[0]))
        extractor.extract('out0')
    return shape, run


def tensorflow(model, threads):
    os.environ['TF_CPP_MIN_LOG_LEVEL'] = '3'
    import tensorflow
    tf = tensorflow.compat.v1
    tf.disable_eager_execution()
    graph = tf.GraphDef()
    graph.ParseFromString(model.with_suffix('.pb').read_bytes())
    tf.import_graph_def(graph, name='')
    read = {name.split(':')[0].lstrip('^') for node in graph.node for name in node.input}
    answers = [f'{node.name}:0' for node in graph.node if node.name not in read and node.op not in ('Const', 'NoOp', 'Placeholder')]
    entry = next(node.name for node in graph.node if node.op == 'Placeholder')
    session = tf.Session(config=tf.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=1))
    batch, channels, height, width = json.loads(model.with_suffix('.shape.json').read_text())
    return [batch, height, width, channels], lambda x: session.run(answers, {f'{entry}:0': x})


ENGINES = {'onnxruntime': onnxruntime, 'openvino-f32': openvino('f32'), 'openvino-bf16': openvino('bf16'), 'mnn': mnn, 'ncnn': ncnn,
           'tensorflow': tensorflow}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('engine', choices=ENGINES)
    parser.add_argument('model', type=pathlib.Path)
    parser.add_argument('--threads', type=int, default=2)
    parser.add_argument('--seconds', type=float, default=3)
    arguments = parser.parse_args()
    started = time.perf_counter()
    shape, run = ENGINES[arguments.engine](arguments.model, arguments.threads)
    loaded = time.perf_counter() - started
    x = np.random.default_rng(0).uniform(-1, 1, shape).astype('f4')
    for _ in range(WARM_UP_RUNS):
        run(x)
    times, end = [], time.perf_counter() + arguments.seconds
    while len(times) < FEWEST_RUNS or time.perf_counter() < end:
        started = time.perf_counter()
        run(x)
        times.append((time.perf_counter() - started) * 1e3)
    times.sort()
    print(json.dumps({'engine': arguments.engine, 'threads': arguments.threads, 'min_ms': times[0], 'median_ms': times[len(times) // 2],
                      'runs': len(times), 'load_s': loaded}))


if __name__ == '__main__':
    main()
