"""A folder of TensorFlow Lite files with LiteRT's answers, in the form of `fixtures.py`."""
import contextlib
import json
import pathlib

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter, OpResolverType

import made_up
from lite.drawing import Drawing

RESOLVERS = {'reference': OpResolverType.BUILTIN_REF,
             'optimized': OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
             'xnnpack': OpResolverType.AUTO}


def file_name(tensor):
    """The file of a tensor, by the same rule as `lorgnette run`."""
    return tensor.replace('/', '_').replace(':', '_') + '.npy'


def interpret(content, feeds, resolver='reference', everything=False):
    """Runs a file. Gives its interpreter, and a function from a tensor's number to its value."""
    interpreter = Interpreter(model_content=content, experimental_op_resolver_type=RESOLVERS[resolver],
                              experimental_preserve_all_tensors=everything, num_threads=1)
    for detail in interpreter.get_input_details():
        if tuple(detail['shape']) != feeds[detail['name']].shape:
            interpreter.resize_tensor_input(detail['index'], feeds[detail['name']].shape)
    interpreter.allocate_tensors()
    for detail in interpreter.get_input_details():
        interpreter.set_tensor(detail['index'], feeds[detail['name']])
    interpreter.invoke()
    return interpreter


def with_outputs(content, tensors):
    """The same file with these tensors as outputs, so that a delegate keeps them."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    model.subgraphs[0].outputs = tensors
    model.signatureDefs = []
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), file_identifier=b'TFL3')
    return bytes(builder.Output())


class Fixtures:
    """Writes the folder."""

    def __init__(self, folder, only=None):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.only, self.lines = only, []

    @contextlib.contextmanager
    def case(self, name, what, tolerance=None):
        """`with fixtures.case(name, sentence) as lite:` draws one file; leaving the block stores it. A `tolerance` of 0 asks for the same bytes."""
        drawing = Drawing(name, what)
        drawing.tolerance = tolerance
        yield drawing
        if self.only is None or self.only in name:
            self.store(drawing)

    def store(self, drawing):
        """Writes the file, with the shapes that LiteRT finds, and what LiteRT answers."""
        try:
            interpreter = interpret(drawing.bytes(), drawing.feeds, drawing.resolver)
            for detail in interpreter.get_tensor_details():
                if detail['index'] < len(drawing.tensors):
                    drawing.tensors[detail['index']].shape = [int(n) for n in detail['shape']]
            content = drawing.bytes()
            interpreter = interpret(content, drawing.feeds, drawing.resolver)
        except (RuntimeError, ValueError) as error:
            raise RuntimeError(f'{drawing.name}: LiteRT refuses this file') from error
        path = self.folder / f'{drawing.name}.tflite'
        path.write_bytes(content)
        answers = {drawing.tensors[index].name: interpreter.get_tensor(index) for index in drawing.outputs}
        self.lines.append(dict(
            name=drawing.name, graph=path.name, feeds=self.arrays(f'{drawing.name}.inputs', drawing.feeds),
            fetches=self.arrays(f'{drawing.name}.outputs', answers), what=drawing.what,
            **({} if drawing.tolerance is None else {'tolerance': drawing.tolerance})))

    def write(self, drawing):
        """Writes a file that nothing is computed of, under its name."""
        (self.folder / f'{drawing.name}.tflite').write_bytes(drawing.bytes())

    def file(self, path, resolver='reference'):
        """Copies a file and writes what LiteRT answers to made-up numbers: every tensor's bytes if it is of integers."""
        content, name = path.read_bytes(), path.stem
        details = Interpreter(model_content=content).get_input_details()
        feeds = {detail['name']: self.made_up_input(name, detail) for detail in details}
        interpreter = interpret(content, feeds, everything=True)
        options = {}
        fetched = interpreter.get_output_details()
        is_quantised = any(detail['dtype'] in (np.int8, np.uint8) for detail in fetched)
        if is_quantised:
            computed = {int(index) for op in interpreter._get_ops_details() for index in op['outputs']}
            # Reshapes in place have no bytes of their own where they are shapes that are computed.
            fetched = [detail for detail in interpreter.get_tensor_details()
                       if detail['index'] in computed and detail['dtype'] in (np.int8, np.uint8) and detail['name']]
            if resolver == 'xnnpack':
                kept = with_outputs(content, [detail['index'] for detail in fetched])
                interpreter = interpret(kept, feeds, resolver)
                options = {'options': ['--epilogue', 'xnnpack']}
        answers = {detail['name']: interpreter.get_tensor(detail['index']) for detail in fetched}
        (self.folder / path.name).write_bytes(content)
        self.lines.append(dict(name=name, graph=path.name, feeds=self.arrays(f'{name}.inputs', feeds),
                               fetches=self.arrays(f'{name}.outputs', answers), what='A whole network',
                               **options, **({'tolerance': 0} if is_quantised else {})))

    @staticmethod
    def made_up_input(name, detail):
        """Numbers from -1 to 1, or integers of the type's whole range."""
        numbers = made_up.between(-1.0, 1.0, f'{name}/{detail["name"]}', tuple(detail['shape']))
        if detail['dtype'] == np.float32:
            return numbers
        limits = np.iinfo(detail['dtype'])
        return np.round(limits.min + (numbers.astype(np.float64) + 1) / 2 * (limits.max - limits.min)).astype(detail['dtype'])

    def arrays(self, folder, tensors):
        """Writes arrays as .npy files; returns their paths as the manifest wants them."""
        (self.folder / folder).mkdir(exist_ok=True)
        for name, value in tensors.items():
            assert value.dtype.kind != 'f' or np.isfinite(value).all(), f'{folder}: {name} is not finite'
            np.save(self.folder / folder / file_name(name), value)
        return {name: f'{folder}/{file_name(name)}' for name in tensors}

    def finish(self):
        """Writes the manifest and says what was made."""
        names = [line['name'] for line in self.lines]
        assert len(names) == len(set(names)), 'two cases have one name'
        lines = ',\n'.join(json.dumps(line) for line in self.lines)
        (self.folder / 'manifest.json').write_text(f'[\n{lines}\n]\n')
        size = sum(file.stat().st_size for file in self.folder.rglob('*') if file.is_file())
        print(f'{len(self.lines)} files, {size / 1e6:.2f} MB, in {self.folder}')
