"""The server that people write in Python: FastAPI with uvicorn, Pillow, and ONNX Runtime or OpenVINO.

    SERVER_ENGINE=onnxruntime SERVER_MODEL=model.onnx SERVER_THREADS=2 uvicorn fastapi_server:app --workers 1 --no-access-log

bench/server_load.py starts it. POST /jpeg takes a photo, POST /tensor a float32 tensor of [N, side, side, 3]; both answer
the five best classes as JSON, as `lorgnette serve` does.
"""
import io
import os

import numpy as np
from fastapi import FastAPI, Request
from PIL import Image
from starlette.concurrency import run_in_threadpool

ENGINE, MODEL = os.environ['SERVER_ENGINE'], os.environ['SERVER_MODEL']
THREADS, SIDE = int(os.environ.get('SERVER_THREADS', '2')), int(os.environ.get('SERVER_SIDE', '224'))
PRECISION = os.environ.get('SERVER_PRECISION', 'f32')
STYLE = os.environ.get('SERVER_STYLE', 'inception')
# The means of VGG's photos, which ResNet V1 takes off.
MEANS = np.float32([123.68, 116.779, 103.939])


def onnxruntime_engine():
    import onnxruntime
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = THREADS
    session = onnxruntime.InferenceSession(MODEL, options, providers=['CPUExecutionProvider'])
    name = session.get_inputs()[0].name
    return lambda batch: session.run(None, {name: batch})[0]


def openvino_engine():
    import openvino
    core = openvino.Core()
    # Where the CPU multiplies bf16, OpenVINO does so unless it is told to keep float32.
    model = core.compile_model(MODEL, 'CPU', {
        'INFERENCE_NUM_THREADS': THREADS, 'PERFORMANCE_HINT': 'THROUGHPUT', 'INFERENCE_PRECISION_HINT': PRECISION})
    if (used := model.get_property('INFERENCE_PRECISION_HINT').to_string()) != PRECISION:
        raise SystemExit(f'OpenVINO computes in {used}, not in {PRECISION}')
    # A request of its own for each call, which threads may make at a time.
    return lambda batch: model.create_infer_request().infer([batch])[0]


infer = {'onnxruntime': onnxruntime_engine, 'openvino': openvino_engine}[ENGINE]()
infer(np.zeros((1, SIDE, SIDE, 3), np.float32))
app = FastAPI()


def best(scores):
    scores = scores.reshape(len(scores), -1)
    order = np.argsort(-scores, axis=1)[:, :5]
    return [[{'index': int(index), 'score': float(row[index])} for index in indices] for row, indices in zip(scores, order)]


def of_photo(body):
    photo = Image.open(io.BytesIO(body)).convert('RGB')
    width, height = photo.size
    left, top = round(width * 0.0625), round(height * 0.0625)
    photo = photo.crop((left, top, width - left, height - top)).resize((SIDE, SIDE), Image.BILINEAR)
    pixels = np.asarray(photo, np.float32)
    pixels = pixels - MEANS if STYLE == 'vgg' else (pixels / 255 - 0.5) * 2
    return best(infer(pixels[None]))


def of_tensor(body):
    return best(infer(np.frombuffer(body, np.float32).reshape(-1, SIDE, SIDE, 3)))


@app.get('/livez')
async def live():
    return {'live': True}


@app.post('/jpeg')
async def jpeg(request: Request):
    return await run_in_threadpool(of_photo, await request.body())


@app.post('/tensor')
async def tensor(request: Request):
    return await run_in_threadpool(of_tensor, await request.body())
