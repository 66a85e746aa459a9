"""Engines that classify a folder of photos in Python, each as its documentation shows it. `python_overhead.py` starts them.

    python bench/python_peers.py ENGINE SETUP [--threads 2]

A process has one engine: lorgnette, onnxruntime, tensorflow or timm. SETUP is a folder with what `python_overhead.py` writes: `photos`,
`network.onnx`, `weights.npz`, `input.npy`. The process answers lines on its standard input with lines of JSON on its standard output:

    about      its version
    time       the seconds that the photos took: open, preprocess, run, the five best
    best       the best class of each photo, by its number
    network    probabilities of the network for `input.npy`

timm's MobileNet V1 has no weights of this network: its speed is that of `create_model("mobilenetv1_100")`, as it is. For `network`, a
second one gets the embedded network's weights, TensorFlow's padding and the constant of its batch norms.
"""

import argparse
import json
import os
import pathlib
import sys
import time

GRAPH = pathlib.Path(__file__).resolve().parents[1] / "crates" / "lorgnette" / "models" / "mobilenet_v1_1.0_224.pb"


class Lorgnette:
    """This package."""

    def __init__(self, setup, threads):
        import lorgnette

        self.version = lorgnette.__version__
        self.model = lorgnette.load(threads=threads)
        self.find = lorgnette.find_photos

    def classify(self, folder):
        answers = self.model.classify(self.find(folder))
        assert not answers.failures
        return [answer.predictions[0].index for answer in answers]

    def network(self, value):
        return self.model.run({self.model.input: value}, [self.model.probabilities])[self.model.probabilities]


class OnnxRuntime:
    """Pillow, numpy and a session, with this package's export of the embedded network."""

    def __init__(self, setup, threads):
        import onnxruntime

        self.version = onnxruntime.__version__
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = onnxruntime.InferenceSession(setup / "network.onnx", options, providers=["CPUExecutionProvider"])
        self.input = self.session.get_inputs()[0]
        self.channels_first = self.input.shape[1] == 3

    def classify(self, folder):
        return [five_best(self.network(pillow_input(path)))[0] for path in sorted(folder.iterdir())]

    def network(self, value):
        import numpy as np

        value = np.ascontiguousarray(value.transpose(0, 3, 1, 2)) if self.channels_first else value
        return self.session.run(None, {self.input.name: value})[-1]


class TensorFlow:
    """The embedded graph with TensorFlow's own decoding and preprocessing, one photo a run."""

    def __init__(self, setup, threads):
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
        import tensorflow as tf

        self.version = tf.__version__
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        definition = tf.compat.v1.GraphDef()
        definition.ParseFromString(GRAPH.read_bytes())
        graph = tf.Graph()
        with graph.as_default():
            self.photo = tf.compat.v1.placeholder(tf.string)
            pixels = tf.image.convert_image_dtype(tf.image.decode_jpeg(self.photo, channels=3), tf.float32)
            cropped = tf.expand_dims(tf.image.central_crop(pixels, 0.875), 0)
            resized = tf.compat.v1.image.resize_bilinear(cropped, [224, 224])
            self.value = (resized - 0.5) * 2
            (self.scores,) = tf.import_graph_def(definition, {"input:0": self.value}, ["MobilenetV1/Predictions/Softmax:0"])
        self.session = tf.compat.v1.Session(graph=graph)

    def classify(self, folder):
        return [five_best(self.session.run(self.scores, {self.photo: path.read_bytes()}))[0] for path in sorted(folder.iterdir())]

    def network(self, value):
        return self.session.run(self.scores, {self.value: value})


class Timm:
    """create_model, create_transform, one photo a run."""

    def __init__(self, setup, threads):
        import timm
        import torch

        torch.set_num_threads(threads)
        self.version = f"{timm.__version__}, torch {torch.__version__}"
        self.torch, self.setup = torch, setup
        self.model = timm.create_model("mobilenetv1_100", pretrained=False).eval()
        config = timm.data.resolve_data_config({}, model=self.model)
        self.transform = timm.data.create_transform(**config)

    def classify(self, folder):
        from PIL import Image

        best = []
        with self.torch.inference_mode():
            for path in sorted(folder.iterdir()):
                value = self.transform(Image.open(path).convert("RGB"))[None]
                best.append(int(self.model(value).softmax(-1).topk(5).indices[0, 0]))
        return best

    def network(self, value):
        model = self.with_weights()
        with self.torch.inference_mode():
            return model(self.torch.from_numpy(value).permute(0, 3, 1, 2).contiguous()).softmax(-1).numpy()

    def with_weights(self):
        """A model of the same architecture with the embedded network's weights."""
        import numpy as np
        import timm

        model = timm.create_model("mobilenetv1_100", pretrained=False, num_classes=1001, pad_type="same", bn_eps=1e-3).eval()
        weights, state = np.load(self.setup / "weights.npz"), model.state_dict()
        norms = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
        layers = [("conv_stem", "bn1", "Conv2d_0", "weights")]
        blocks = [(stage, block) for stage, blocks in enumerate(model.blocks) for block in range(len(blocks))]
        for number, (stage, block) in enumerate(blocks, 1):
            prefix = f"blocks.{stage}.{block}."
            layers.append((f"{prefix}conv_dw", f"{prefix}bn1", f"Conv2d_{number}_depthwise", "depthwise_weights"))
            layers.append((f"{prefix}conv_pw", f"{prefix}bn2", f"Conv2d_{number}_pointwise", "weights"))
        for convolution, norm, name, kind in layers:
            filters = weights[f"MobilenetV1/{name}/{kind}"]
            order = (2, 3, 0, 1) if kind == "depthwise_weights" else (3, 2, 0, 1)
            self.fill(state, f"{convolution}.weight", filters.transpose(order))
            for own, of_tensorflow in norms.items():
                self.fill(state, f"{norm}.{own}", weights[f"MobilenetV1/{name}/BatchNorm/{of_tensorflow}"])
        self.fill(state, "classifier.weight", weights["MobilenetV1/Logits/Conv2d_1c_1x1/weights"][0, 0].T)
        self.fill(state, "classifier.bias", weights["MobilenetV1/Logits/Conv2d_1c_1x1/biases"])
        model.load_state_dict(state)
        return model

    def fill(self, state, name, values):
        assert state[name].shape == values.shape, f"{name}: {tuple(state[name].shape)}, {values.shape}"
        state[name] = self.torch.from_numpy(values.copy())


ENGINES = {"lorgnette": Lorgnette, "onnxruntime": OnnxRuntime, "tensorflow": TensorFlow, "timm": Timm}


def pillow_input(path):
    """The middle of a photo, resized by Pillow."""
    import numpy as np
    from PIL import Image

    photo = Image.open(path).convert("RGB")
    left, top = photo.width * 0.0625, photo.height * 0.0625
    middle = (left, top, photo.width - left, photo.height - top)
    pixels = np.asarray(photo.resize((224, 224), Image.Resampling.BILINEAR, box=middle), np.float32)
    return (pixels / 127.5 - 1)[None]


def five_best(scores):
    import numpy as np

    return np.argsort(-scores.reshape(-1))[:5].tolist()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engine", choices=list(ENGINES))
    parser.add_argument("setup", type=pathlib.Path)
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    import numpy as np

    engine = ENGINES[arguments.engine](arguments.setup, arguments.threads)
    photos = arguments.setup / "photos"
    for line in sys.stdin:
        if line == "about\n":
            answer = engine.version
        elif line == "time\n":
            started = time.perf_counter()
            engine.classify(photos)
            answer = time.perf_counter() - started
        elif line == "best\n":
            answer = engine.classify(photos)
        else:
            answer = np.asarray(engine.network(np.load(arguments.setup / "input.npy"))).reshape(-1).tolist()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
