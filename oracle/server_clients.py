#!/usr/bin/env python3
"""Runs the stock clients against `lorgnette serve`: tritonclient 2.73 (HTTP, gRPC and their asyncio
forms), TensorFlow Serving's own stubs (tensorflow-serving-api 2.21) and its REST interface through
`requests`. Right requests must give the program's own answers, wrong ones the code and message that
the servers they were written for give.

    server_clients.py --lorgnette PROGRAM [--only PART]

Needs the packages of oracle/server_environment.sh.
"""

import argparse
import asyncio
import base64
import contextlib
import json
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time

import grpc
import numpy
import requests
import tritonclient.grpc
import tritonclient.grpc.aio
import tritonclient.http
import tritonclient.http.aio
from tritonclient.utils import InferenceServerException

ROOT = pathlib.Path(__file__).parent.parent
PHOTO = ROOT / "photos/chelsea.jpg"
MODEL = "mobilenet_v1_1.0_224"
CASES = []


def case(function):
    CASES.append(function)
    return function


class Server:
    """A running program, and what it should answer."""

    def __init__(self, program, *arguments):
        command = [program, "serve", "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0", *arguments]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT)
        addresses = []
        for line in self.process.stderr:
            addresses += re.findall(r"listening at https?://(\S+)", line)
            if "serving " in line:
                break
        else:
            sys.exit("the server does not start")
        self.http, self.grpc = addresses
        self.photo = PHOTO.read_bytes()

    def drain(self):
        """Reads the access log, so that the program never waits for its reader."""
        import threading

        self.log = []
        read = lambda: self.log.extend(self.process.stderr)
        threading.Thread(target=read, daemon=True).start()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def program_answers(program):
    """Probabilities and logits of the photo, by the program's verbs."""
    classify = [program, "classify", str(PHOTO), "--top", "1001", "--format", "json"]
    answer = json.loads(subprocess.run(classify, check=True, capture_output=True, text=True).stdout)
    probabilities, logits, names = numpy.zeros(1001), numpy.zeros(1001), [""] * 1001
    for prediction in answer["predictions"]:
        probabilities[prediction["index"]] = prediction["probability"]
        logits[prediction["index"]] = prediction["logit"]
        names[prediction["index"]] = prediction["name"]
    return numpy.float32(probabilities), numpy.float32(logits), names


def preprocessed():
    """The photo as the network takes it, by Pillow-free arithmetic: not needed to be exact, since it
    goes both to the server and to the check."""
    generator = numpy.random.default_rng(7)
    return generator.uniform(-1, 1, (2, 224, 224, 3)).astype(numpy.float32)


def same(given, expected, what):
    given = numpy.asarray(given, numpy.float32).reshape(numpy.shape(expected))
    if not numpy.array_equal(given, numpy.asarray(expected, numpy.float32)):
        raise AssertionError(f"{what}: the largest difference is {numpy.abs(given - expected).max()}")


def contains(text, part):
    if part not in text:
        raise AssertionError(f"{text!r} has no {part!r}")


def refused(call, part, code=None):
    """The error of a call, whose message has `part`."""
    try:
        call()
    except InferenceServerException as error:
        contains(error.message(), part)
        if code is not None:
            contains(str(error.status()), code)
    except grpc.RpcError as error:
        contains(error.details(), part)
        if code is not None and error.code().name != code:
            raise AssertionError(f"{error.code().name} is not {code}")
    else:
        raise AssertionError(f"nothing was refused; expected {part!r}")


# tritonclient: the same cases over HTTP and gRPC.


def inputs(module, server, photos=1):
    tensor = module.InferInput("input", [photos], "BYTES")
    tensor.set_data_from_numpy(numpy.array([server.photo] * photos, dtype=object))
    return [tensor]


def triton_cases(server, module, client, expected):
    probabilities, logits, names = expected
    if not (client.is_server_live() and client.is_server_ready() and client.is_model_ready(MODEL)):
        raise AssertionError("not ready")
    if client.is_model_ready(MODEL, "7"):
        raise AssertionError("version 7 is ready")
    as_json = {} if module is tritonclient.http else {"as_json": True}
    metadata = client.get_model_metadata(MODEL, **as_json)
    assert [tensor["name"] for tensor in metadata["inputs"]] == ["input"], metadata
    assert metadata["outputs"][0]["datatype"] == "FP32", metadata
    contains(str(client.get_server_metadata(**as_json)), "binary_tensor_data")
    config = client.get_model_config(MODEL, **as_json)
    config = config.get("config", config)
    assert config["input"][0]["format"] == "FORMAT_NHWC", config

    result = client.infer(MODEL, inputs(module, server), request_id="r1")
    same(result.as_numpy("probabilities"), [probabilities], "a photo")
    assert (result.get_response() if module is tritonclient.http else
            result.get_response(as_json=True))["id"] == "r1"
    two = client.infer(MODEL, inputs(module, server, 2), model_version="1")
    same(two.as_numpy("probabilities"), [probabilities] * 2, "two photos")

    wanted = [module.InferRequestedOutput("logits"), module.InferRequestedOutput("features")]
    result = client.infer(MODEL, inputs(module, server), outputs=wanted)
    same(result.as_numpy("logits"), [logits], "logits")
    assert result.as_numpy("features").shape[-1] == 1024

    wanted = [module.InferRequestedOutput("probabilities", class_count=3)]
    classes = client.infer(MODEL, inputs(module, server), outputs=wanted).as_numpy("probabilities")
    order = numpy.argsort(-probabilities, kind="stable")[:3]
    strings = [f"{probabilities[i]:.6f}:{i}:{names[i]}".encode() for i in order]
    assert classes.reshape(-1).tolist() == strings, classes

    values = preprocessed()
    tensor = module.InferInput("input", values.shape, "FP32")
    tensor.set_data_from_numpy(values)
    batch = client.infer(MODEL, [tensor]).as_numpy("probabilities")
    for number in range(2):
        tensor = module.InferInput("input", [1, 224, 224, 3], "FP32")
        tensor.set_data_from_numpy(values[number:][:1])
        one = client.infer(MODEL, [tensor]).as_numpy("probabilities")
        same(one, batch[number:][:1], "a batch is its pictures")

    for algorithm in ["gzip", "deflate"]:
        if module is tritonclient.http:
            more = {"request_compression_algorithm": algorithm, "response_compression_algorithm": algorithm}
        else:
            more = {"compression_algorithm": algorithm}
        result = client.infer(MODEL, inputs(module, server), **more)
        same(result.as_numpy("probabilities"), [probabilities], algorithm)

    statistics = client.get_inference_statistics(MODEL, **as_json)
    assert int(statistics["model_stats"][0]["inference_count"]) >= 7, statistics
    index = client.get_model_repository_index(**as_json)
    assert (index if isinstance(index, list) else index["models"])[0]["state"] == "READY", index

    wrong = module.InferInput("input", [1, 2], "FP32")
    wrong.set_data_from_numpy(numpy.zeros((1, 2), numpy.float32))
    invalid = "400" if module is tritonclient.http else "INVALID_ARGUMENT"
    missing = "404" if module is tritonclient.http else "NOT_FOUND"
    full = "503" if module is tritonclient.http else "UNAVAILABLE"
    refused(lambda: client.infer(MODEL, [wrong]), "unexpected shape for input 'input'", invalid)
    refused(lambda: client.infer("other", inputs(module, server)), "Request for unknown model: 'other'", missing)
    refused(lambda: client.infer(MODEL, inputs(module, server), model_version="7"), "version 7", missing)
    other = module.InferInput("x", [1], "BYTES")
    other.set_data_from_numpy(numpy.array([b"a"], dtype=object))
    refused(lambda: client.infer(MODEL, [other]), "unexpected inference input 'x'", invalid)
    refused(lambda: client.infer(MODEL, inputs(module, server) + [other]), "expected 1 inputs but got 2", invalid)
    nothing = [module.InferRequestedOutput("nothing")]
    refused(lambda: client.infer(MODEL, inputs(module, server), outputs=nothing), "unexpected inference output 'nothing'", invalid)
    integers = module.InferInput("input", [1, 224, 224, 3], "INT32")
    integers.set_data_from_numpy(numpy.zeros((1, 224, 224, 3), numpy.int32))
    refused(lambda: client.infer(MODEL, [integers]), "'INT32'", invalid)
    bad = module.InferInput("input", [1], "BYTES")
    bad.set_data_from_numpy(numpy.array([b"no photo"], dtype=object))
    refused(lambda: client.infer(MODEL, [bad]), "the photo", invalid)
    refused(lambda: client.unload_model(MODEL), "not allowed", full)


@case
def triton_http(server, expected):
    with contextlib.closing(tritonclient.http.InferenceServerClient(server.http)) as client:
        triton_cases(server, tritonclient.http, client, expected)
        # JSON in and out.
        photo = tritonclient.http.InferInput("input", [1, 224, 224, 3], "FP32")
        photo.set_data_from_numpy(preprocessed()[:1], binary_data=False)
        plain = [tritonclient.http.InferRequestedOutput("probabilities", binary_data=False)]
        given = client.infer(MODEL, [photo], outputs=plain).as_numpy("probabilities")
        photo.set_data_from_numpy(preprocessed()[:1])
        same(given, client.infer(MODEL, [photo]).as_numpy("probabilities"), "JSON and binary")
        pending = [client.async_infer(MODEL, inputs(tritonclient.http, server)) for _ in range(8)]
        for request in pending:
            same(request.get_result().as_numpy("probabilities"), [expected[0]], "at the same time")


@case
def triton_grpc(server, expected):
    with contextlib.closing(tritonclient.grpc.InferenceServerClient(server.grpc)) as client:
        triton_cases(server, tritonclient.grpc, client, expected)


@case
def triton_stream(server, expected):
    import queue

    answers = queue.Queue()
    with contextlib.closing(tritonclient.grpc.InferenceServerClient(server.grpc)) as client:
        client.start_stream(lambda result, error: answers.put((result, error)))
        client.async_stream_infer(MODEL, inputs(tritonclient.grpc, server), request_id="1")
        client.async_stream_infer("other", inputs(tritonclient.grpc, server), request_id="2")
        client.async_stream_infer(MODEL, inputs(tritonclient.grpc, server), request_id="3")
        first, second, third = (answers.get(timeout=30) for _ in range(3))
        same(first[0].as_numpy("probabilities"), [expected[0]], "a stream")
        contains(str(second[1]), "unknown model")
        same(third[0].as_numpy("probabilities"), [expected[0]], "the stream goes on")
        client.stop_stream()


@case
def triton_asyncio(server, expected):
    async def run():
        for module, address in [
            (tritonclient.http.aio, server.http),
            (tritonclient.grpc.aio, server.grpc),
        ]:
            client = module.InferenceServerClient(address)
            results = await asyncio.gather(
                *(client.infer(MODEL, inputs(module, server)) for _ in range(4))
            )
            for result in results:
                same(result.as_numpy("probabilities"), [expected[0]], "asyncio")
            await client.close()

    asyncio.run(run())


# TensorFlow Serving.


@case
def tensorflow_serving_grpc(server, expected):
    import tensorflow
    from tensorflow_serving.apis import (
        classification_pb2, get_model_metadata_pb2, get_model_status_pb2, inference_pb2,
        model_management_pb2, model_service_pb2_grpc, predict_pb2, prediction_service_pb2_grpc,
        regression_pb2,
    )

    probabilities, logits, names = expected
    options = [("grpc.max_receive_message_length", 1 << 26)]
    channel = grpc.insecure_channel(server.grpc, options)
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)

    def request(inputs, name=MODEL, signature="", **more):
        message = predict_pb2.PredictRequest(**more)
        message.model_spec.name, message.model_spec.signature_name = name, signature
        for key, value in inputs.items():
            message.inputs[key].CopyFrom(value)
        return message

    photo = tensorflow.make_tensor_proto([server.photo])
    answer = stub.Predict(request({"input": photo}))
    same(answer.outputs["probabilities"].float_val, probabilities, "float_val")
    same(tensorflow.make_ndarray(answer.outputs["probabilities"]), [probabilities], "a photo")
    assert answer.model_spec.version.value == 1, answer.model_spec
    assert answer.model_spec.signature_name == "serving_default", answer.model_spec
    answer = stub.Predict(request({"image_bytes": photo}, signature="image_bytes"))
    same(answer.outputs["probabilities"].float_val, probabilities, "image_bytes")
    answer = stub.Predict(request({"input": photo}, signature="all_outputs"))
    assert sorted(answer.outputs) == ["features", "logits", "probabilities"], sorted(answer.outputs)
    answer = stub.Predict(request({"input": photo}, output_filter=["logits"]))
    same(answer.outputs["logits"].float_val, logits, "output_filter")

    values = preprocessed()
    content = tensorflow.make_tensor_proto(values)
    assert content.tensor_content
    listed = tensorflow.make_tensor_proto(values[:1])
    listed.float_val.extend(values[:1].reshape(-1).tolist())
    listed.tensor_content = b""
    both = stub.Predict(request({"input": content})).outputs["probabilities"].float_val
    one = stub.Predict(request({"input": listed})).outputs["probabilities"].float_val
    same(both[:1001], one, "tensor_content and float_val")
    # One value stands for all.
    filled = tensorflow.make_tensor_proto(0.5, shape=[1, 224, 224, 3])
    assert len(filled.float_val) == 1
    full = tensorflow.make_tensor_proto(numpy.full((1, 224, 224, 3), 0.5, numpy.float32))
    same(
        stub.Predict(request({"input": filled})).outputs["probabilities"].float_val,
        stub.Predict(request({"input": full})).outputs["probabilities"].float_val,
        "a repeated value",
    )

    example = tensorflow.train.Example()
    example.features.feature["image/encoded"].bytes_list.value.append(server.photo)
    example.features.feature["height"].int64_list.value.append(300)
    message = classification_pb2.ClassificationRequest()
    message.model_spec.name = MODEL
    message.input.example_list.examples.append(example)
    classes = stub.Classify(message).result.classifications[0].classes
    same([each.score for each in classes], probabilities, "classify")
    assert [each.label for each in classes] == names
    message = regression_pb2.RegressionRequest()
    message.model_spec.name = MODEL
    message.input.example_list.examples.append(example)
    refused(lambda: stub.Regress(message), "not found in signature def", "FAILED_PRECONDITION")
    message = inference_pb2.MultiInferenceRequest()
    message.tasks.add(method_name="tensorflow/serving/classify").model_spec.name = MODEL
    message.input.example_list.examples.append(example)
    result = stub.MultiInference(message).results[0].classification_result
    same([each.score for each in result.classifications[0].classes], probabilities, "multi")

    message = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    message.model_spec.name = MODEL
    answer = stub.GetModelMetadata(message)
    signatures = get_model_metadata_pb2.SignatureDefMap()
    answer.metadata["signature_def"].Unpack(signatures)
    default = signatures.signature_def["serving_default"]
    assert default.inputs["input"].dtype == tensorflow.float32.as_datatype_enum, default
    assert [dim.size for dim in default.inputs["input"].tensor_shape.dim] == [-1, 224, 224, 3]

    service = model_service_pb2_grpc.ModelServiceStub(channel)
    message = get_model_status_pb2.GetModelStatusRequest()
    message.model_spec.name = MODEL
    status = service.GetModelStatus(message).model_version_status[0]
    assert (status.version, status.state) == (1, 30), status
    refused(
        lambda: service.HandleReloadConfigRequest(model_management_pb2.ReloadConfigRequest()),
        "not allowed", "UNAVAILABLE",
    )

    predict = lambda *arguments, **more: lambda: stub.Predict(request(*arguments, **more))
    refused(predict({"input": photo}, "other"), "Servable not found for request: Latest(other)", "NOT_FOUND")
    refused(predict({"input": photo}, ""), "no name specified", "INVALID_ARGUMENT")
    refused(predict({"input": photo}, signature="x"), "signature name: \"x\" not found", "FAILED_PRECONDITION")
    refused(predict({"x": photo}), "Sent extra: {x}. Missing but required: {input}.", "INVALID_ARGUMENT")
    refused(predict({}), "Missing but required: {input}.", "INVALID_ARGUMENT")
    integers = tensorflow.make_tensor_proto(numpy.zeros((1, 224, 224, 3), numpy.int32))
    refused(predict({"input": integers}), "DT_FLOAT", "INVALID_ARGUMENT")
    small = tensorflow.make_tensor_proto(numpy.zeros((1, 2, 2, 3), numpy.float32))
    refused(predict({"input": small}), "shape", "INVALID_ARGUMENT")
    refused(
        lambda: stub.Predict(request({"input": content}), timeout=0.0001), "", "DEADLINE_EXCEEDED"
    )
    channel.close()


@case
def tensorflow_serving_rest(server, expected):
    url = f"http://{server.http}/v1/models/{MODEL}"
    image = {"b64": base64.b64encode(server.photo).decode()}
    answer = requests.post(f"{url}:predict", json={"instances": [image]}).json()
    same(answer["predictions"], [expected[0]], "REST")
    # As the documentation's client sends it.
    text = f'{{"instances" : {preprocessed()[:1].tolist()}}}'
    answer = requests.post(f"{url}:predict", data=text)
    answer.raise_for_status()
    assert len(answer.json()["predictions"][0]) == 1001
    answer = requests.post(f"{url}:classify", json={"examples": [{"image/encoded": image}]}).json()
    same([score for _, score in answer["results"][0]], expected[0], "classify")
    contains(requests.get(f"{url}/metadata").text, "tensorflow/serving/predict")
    answer = requests.post(f"{url}:predict", data="{")
    assert answer.status_code == 400 and "JSON Parse error" in answer.json()["error"], answer.text
    metrics = requests.get(f"http://{server.http}/monitoring/prometheus/metrics").text
    contains(metrics, f':tensorflow:serving:request_count{{model_name="{MODEL}",status="OK"}}')
    contains(metrics, f'nv_inference_request_success{{model="{MODEL}",version="1"}}')


@case
def health_and_reflection(server, _):
    with tempfile.TemporaryDirectory() as folder:
        proto = ROOT / "crates/lorgnette-server/proto"
        # In a process of its own: with TensorFlow in the same one it crashes.
        protoc = [sys.executable, "-m", "grpc_tools.protoc", f"-I{proto}"]
        out = [f"--python_out={folder}", f"--grpc_python_out={folder}"]
        subprocess.run([*protoc, *out, "health.proto", "reflection.proto"], check=True)
        sys.path.insert(0, folder)
        import health_pb2
        import health_pb2_grpc
        import reflection_pb2
        import reflection_pb2_grpc

    with grpc.insecure_channel(server.grpc) as channel:
        health = health_pb2_grpc.HealthStub(channel)
        for service in ["", "inference.GRPCInferenceService"]:
            assert health.Check(health_pb2.HealthCheckRequest(service=service)).status == 1
        refused(
            lambda: health.Check(health_pb2.HealthCheckRequest(service="x")), "unknown", "NOT_FOUND"
        )
        watched = health.Watch(health_pb2.HealthCheckRequest())
        assert next(iter(watched)).status == 1
        watched.cancel()
        reflection = reflection_pb2_grpc.ServerReflectionStub(channel)
        ask = reflection_pb2.ServerReflectionRequest
        asked = [
            ask(list_services=""),
            ask(file_containing_symbol="tensorflow.serving.PredictionService"),
            ask(file_containing_symbol="nothing"),
        ]
        services, files, missing = reflection.ServerReflectionInfo(iter(asked))
        names = [service.name for service in services.list_services_response.service]
        assert "inference.GRPCInferenceService" in names, names
        assert len(files.file_descriptor_response.file_descriptor_proto) == 4
        assert missing.error_response.error_code == 5


@case
def versions_and_control(server, expected):
    """Another server, of a folder with versions, that clients control."""
    graph = ROOT / "crates/lorgnette/models/mobilenet_v1_1.0_224.pb"
    with tempfile.TemporaryDirectory() as folder:
        for version in ["3", "8"]:
            place = pathlib.Path(folder) / "m" / version
            place.mkdir(parents=True)
            (place / "graph.pb").symlink_to(graph.resolve())
        own = Server(server.program, "--model-dir", folder, "--model-control")
        try:
            own.drain()
            with contextlib.closing(tritonclient.http.InferenceServerClient(own.http)) as client:
                assert client.get_model_metadata("m")["versions"] == ["8"]
                result = client.infer("m", inputs(tritonclient.http, server))
                same(result.as_numpy("probabilities"), [expected[0]], "a version")
                client.unload_model("m")
                assert not client.is_model_ready("m")
                client.load_model("m")
                assert client.is_model_ready("m", "8")
            from tensorflow_serving.apis import model_management_pb2, model_service_pb2_grpc

            message = model_management_pb2.ReloadConfigRequest()
            config = message.config.model_config_list.config.add(
                name="renamed", base_path=str(pathlib.Path(folder) / "m"), model_platform="tensorflow"
            )
            config.model_version_policy.all.SetInParent()
            config.version_labels["stable"] = 3
            with grpc.insecure_channel(own.grpc) as channel:
                stub = model_service_pb2_grpc.ModelServiceStub(channel)
                assert stub.HandleReloadConfigRequest(message).status.error_code == 0
            url = f"http://{own.http}/v1/models"
            assert requests.get(f"{url}/m").status_code == 404
            metadata = requests.get(f"{url}/renamed/labels/stable/metadata").json()
            assert metadata["model_spec"]["version"] == "3", metadata
        finally:
            assert own.stop() == 0


@case
def tls_and_token(server, expected):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
             "-nodes", "-days", "2", "-subj", "/CN=localhost", "-addext",
             "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", folder / "key.pem",
             "-out", folder / "certificate.pem"],
            check=True, capture_output=True,
        )
        (folder / "token").write_text("secret\n")
        own = Server(
            server.program, "--tls-certificate", str(folder / "certificate.pem"),
            "--tls-key", str(folder / "key.pem"), "--token-file", str(folder / "token"),
        )
        try:
            own.drain()
            url, root = f"https://{own.http}", str(folder / "certificate.pem")
            assert requests.get(f"{url}/readyz", verify=root).status_code == 200
            assert requests.get(f"{url}/v2", verify=root).status_code == 401
            head = {"Authorization": "Bearer secret"}
            answer = requests.post(f"{url}/v1/classify", data=server.photo, headers=head, verify=root)
            assert answer.json()["predictions"][0]["name"] == expected[2][expected[0].argmax()]
            client = tritonclient.grpc.InferenceServerClient(own.grpc, ssl=True, root_certificates=root)
            with contextlib.closing(client):
                refused(lambda: client.get_server_metadata(), "token", "UNAUTHENTICATED")
                photo = inputs(tritonclient.grpc, server)
                result = client.infer(MODEL, photo, headers={"authorization": "Bearer secret"})
                same(result.as_numpy("probabilities"), [expected[0]], "TLS")
        finally:
            assert own.stop() == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lorgnette", required=True)
    parser.add_argument("--only", default="")
    arguments = parser.parse_args()
    program = str(pathlib.Path(arguments.lorgnette).resolve())
    expected = program_answers(program)
    server = Server(program)
    server.program = program
    server.drain()
    failed = 0
    for run in CASES:
        if arguments.only not in run.__name__:
            continue
        started = time.monotonic()
        try:
            run(server, expected)
            print(f"{run.__name__}: right ({time.monotonic() - started:.1f} s)", flush=True)
        except Exception as error:
            import traceback

            traceback.print_exc()
            print(f"{run.__name__}: {type(error).__name__}: {error}", flush=True)
            failed += 1
    code = server.stop()
    if code != 0:
        print(f"the server ends with code {code}")
        failed += 1
    for line in server.log:
        json.loads(line)
    print(f"{len(server.log)} lines of the access log are JSON")
    sys.exit(failed != 0)


if __name__ == "__main__":
    main()
