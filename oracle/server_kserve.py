#!/usr/bin/env python3
"""Runs KServe's own client (kserve 0.21: InferenceRESTClient and InferenceGRPCClient) against `lorgnette serve`: a photo as
BYTES and a tensor as FP32 must give the program's own answers, and what is not there its error.

    server_kserve.py --lorgnette PROGRAM

Needs kserve in the environment that it runs in.
"""
import argparse
import asyncio
import base64
import json
import logging
import pathlib
import re
import signal
import subprocess
import sys
import threading

import grpc
import httpx
import numpy
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

ROOT = pathlib.Path(__file__).parent.parent
PHOTO = ROOT / "photos/chelsea.jpg"
MODEL = "mobilenet_v1_1.0_224"


def start(program):
    words = [program, "serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", "--log", "/dev/null"]
    process = subprocess.Popen(words, stderr=subprocess.PIPE, text=True, cwd=ROOT)
    addresses = []
    for line in process.stderr:
        addresses += re.findall(r"listening at https?://(\S+)", line)
        if "serving " in line:
            threading.Thread(target=process.stderr.read, daemon=True).start()
            return process, *addresses
    sys.exit("the server does not start")


def program_answer(program):
    """The probabilities of the photo, by the program's own verb."""
    words = [program, "classify", str(PHOTO), "--top", "1001", "--format", "json"]
    answer = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    probabilities = numpy.zeros(1001)
    for prediction in answer["predictions"]:
        probabilities[prediction["index"]] = prediction["probability"]
    return numpy.float32(probabilities)


def photo_request(rest):
    """A photo as BYTES: base64 in JSON, its bytes over gRPC."""
    photo = PHOTO.read_bytes()
    if rest:
        tensor = InferInput("input", [1], "BYTES", [base64.b64encode(photo).decode()], {"content_type": "base64"})
    else:
        tensor = InferInput("input", [1], "BYTES")
        tensor.set_data_from_numpy(numpy.array([photo], dtype=object), binary_data=True)
    return InferRequest(model_name=MODEL, infer_inputs=[tensor], request_id="r1")


def tensor_request(values, binary):
    tensor = InferInput("input", list(values.shape), "FP32")
    tensor.set_data_from_numpy(values, binary_data=binary)
    return InferRequest(model_name=MODEL, infer_inputs=[tensor])


def first(response):
    return numpy.float32(response.outputs[0].as_numpy())


async def rest(address, expected, values):
    client = InferenceRESTClient(RESTConfig(protocol="v2"))
    url = f"http://{address}"
    assert await client.is_server_live(url) and await client.is_server_ready(url)
    assert await client.is_model_ready(url, MODEL)
    response = await client.infer(url, photo_request(True), model_name=MODEL)
    assert response.id == "r1" and response.model_name == MODEL, response
    numpy.testing.assert_array_equal(first(response).reshape(-1), expected)
    answers = [first(await client.infer(url, tensor_request(values, binary), model_name=MODEL)) for binary in (False, True)]
    numpy.testing.assert_array_equal(*answers)
    assert answers[0].shape == (1, 1001), answers[0].shape
    try:
        await client.infer(url, tensor_request(values, True), model_name="other")
    except httpx.HTTPStatusError as error:
        assert error.response.status_code == 404, error
    else:
        raise AssertionError("a model that is not there answers")
    # Protocol v1 is TensorFlow Serving's.
    one = InferenceRESTClient(RESTConfig(protocol="v1"))
    body = {"instances": [{"b64": base64.b64encode(PHOTO.read_bytes()).decode()}]}
    answer = await one.infer(url, body, model_name=MODEL)
    numpy.testing.assert_array_equal(numpy.float32(answer["predictions"][0]), expected)
    return answers[0]


async def over_grpc(address, expected, values, wanted):
    client = InferenceGRPCClient(address)
    assert await client.is_server_live() and await client.is_server_ready()
    assert await client.is_model_ready(MODEL)
    response = await client.infer(photo_request(False))
    numpy.testing.assert_array_equal(first(response).reshape(-1), expected)
    numpy.testing.assert_array_equal(first(await client.infer(tensor_request(values, True))), wanted)
    try:
        request = tensor_request(values, True)
        request.model_name = "other"
        await client.infer(request)
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
    else:
        raise AssertionError("a model that is not there answers")


async def run(http, address, expected):
    values = numpy.random.default_rng(7).uniform(-1, 1, (1, 224, 224, 3)).astype(numpy.float32)
    wanted = await rest(http, expected, values)
    print("ok      kserve over REST: v1 and v2, JSON and binary tensors, a photo")
    await over_grpc(address, expected, values, wanted)
    print("ok      kserve over gRPC: a tensor, a photo")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--lorgnette", required=True)
    arguments = parser.parse_args()
    # It prints the errors that are meant to be.
    logging.disable(logging.CRITICAL)
    process, http, address = start(arguments.lorgnette)
    try:
        asyncio.run(run(http, address, program_answer(arguments.lorgnette)))
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=70)
    print("2 passed, 0 failed")


if __name__ == "__main__":
    main()
