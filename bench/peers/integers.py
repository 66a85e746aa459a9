"""Networks of 8-bit integers for `bench/compare`.

    python integers.py describe MODEL.tflite             prints {"input", "output", "scale", "zero_point"}: the names, and the scores' numbers
    python integers.py nncf MODEL.onnx PHOTOS STYLE OUT.xml
                                                         quantises a float32 network for OpenVINO, calibrated on JPEGs in a style of answers.py
"""
import json
import pathlib
import sys

import peer


def describe(tflite):
    from ai_edge_litert.interpreter import Interpreter
    net = Interpreter(model_path=tflite)
    entry, scores = net.get_input_details()[0], net.get_output_details()[0]
    scale, zero_point = scores['quantization']
    print(json.dumps({'input': entry['name'], 'output': scores['name'], 'scale': float(scale), 'zero_point': int(zero_point)}))


def nncf(onnx, photos, style, to):
    import nncf
    import openvino
    shape = peer.Model(pathlib.Path(onnx)).shape
    paths = sorted(pathlib.Path(photos).glob('*.[jJ][pP]*[gG]'))
    pictures = [peer.prepared_photo(path, shape[2:], style == 'vgg') for path in paths]
    model = openvino.Core().read_model(onnx)
    quantised = nncf.quantize(model, nncf.Dataset(pictures), subset_size=len(pictures))
    openvino.save_model(quantised, to, compress_to_fp16=False)


if __name__ == '__main__':
    {'describe': describe, 'nncf': nncf}[sys.argv[1]](*sys.argv[2:])
