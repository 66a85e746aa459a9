"""What `bench/compare` makes on its first run: an environment with the peers, and each network as each of them reads it."""
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

PEERS = pathlib.Path(__file__).resolve().parent
ROOT = PEERS.parents[1]
RUST_PEERS = ('tract', 'rten')


class Row:
    """What is measured: a network at a size and a batch."""

    def __init__(self, text):
        match = re.fullmatch(r'([a-z0-9_.]+)(?:@(\d+x\d+))?(?:\*(\d+))?', text)
        if not match:
            raise SystemExit(f'{text}: a row is NETWORK[@HxW][*BATCH], start or folder')
        self.text, self.network, self.size, self.batch = text, match[1], match[2], int(match[3] or 1)

    def options(self):
        """How `lorgnette` is told."""
        size = ['--size', self.size] if self.size else []
        # At another size than a network's own, VGG answers for every place.
        return size + (['--net-option', 'spatial_squeeze=false'] if self.size and self.network.startswith('vgg') else [])

    def style(self):
        """How the network takes pictures."""
        return 'vgg' if self.network.startswith(('vgg', 'resnet_v1')) else 'inception'

    def alone(self):
        return Row(self.text.split('*')[0])

    def stem(self):
        return re.sub(r'[@*]', '-', self.text)


def run(words, **options):
    """Runs a program; what it prints. Ends with what it complained of if it fails."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, **options)
    if done.returncode != 0:
        complaint = (done.stderr or done.stdout).strip().splitlines() or ['no word of why']
        errors = [line for line in complaint if line.lower().startswith('error')] or complaint[-1:]
        raise SystemExit(f'{" ".join(map(str, words))}:\n  {errors[0]}')
    return done.stdout


def make_environment(work):
    """The peers' Python."""
    python, stamp = work / 'peers' / 'bin' / 'python', work / 'peers' / '.packages'
    wanted = ''.join((PEERS / name).read_text() for name in ('packages.txt', 'converters.txt'))
    if not stamp.exists() or stamp.read_text() != wanted:
        run([sys.executable, '-m', 'venv', work / 'peers'])
        pip = [python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check']
        run([*pip, '-r', PEERS / 'packages.txt'])
        # It says that it needs PyTorch, a gigabyte, but its program converts ONNX without.
        run([*pip, '--no-deps', '-r', PEERS / 'converters.txt'])
        stamp.write_text(wanted)
    return python


def make_zentf(work):
    """TensorFlow with AMD's plug-in: an environment of its own, since it changes what TensorFlow computes with."""
    python, stamp = work / 'zentf' / 'bin' / 'python', work / 'zentf' / '.packages'
    wanted = (PEERS / 'zentf.txt').read_text()
    if not stamp.exists() or stamp.read_text() != wanted:
        run([sys.executable, '-m', 'venv', work / 'zentf'])
        run([python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check', '-r', PEERS / 'zentf.txt'])
        stamp.write_text(wanted)
    return python


def make_rust_peers(work):
    """The program of those peers that are Rust crates."""
    target = work / 'rust'
    run(['cargo', 'build', '--release', '--locked', '--quiet', '--manifest-path', PEERS / 'rust' / 'Cargo.toml', '--target-dir', target])
    return target / 'release' / 'lorgnette-peers'


def make_machine():
    """The program that says what the machine is able to."""
    run(['cargo', 'build', '--release', '--locked', '--quiet', '--manifest-path', ROOT / 'Cargo.toml', '-p', 'lorgnette-bench', '--bin', 'lorgnette-machine'])
    return pathlib.Path(os.environ.get('CARGO_TARGET_DIR', ROOT / 'target')) / 'release' / 'lorgnette-machine'


class Models:
    """Networks on disk, in every form."""

    def __init__(self, work, lorgnette, python, engines):
        self.folder, self.lorgnette, self.python, self.engines = work / 'models', lorgnette, python, engines
        self.folder.mkdir(parents=True, exist_ok=True)

    def of_row(self, row):
        """A row's network with made-up weights, and pictures for it. Returns the path of the ONNX file; the others are beside it."""
        onnx = self.folder / f'{row.stem()}.onnx'
        if row.batch > 1:
            # What has no batch in it is that of one photo.
            alone, _ = self.of_row(row.alone())
            for ending in ('.pb', '.ncnn.param', '.ncnn.bin'):
                if alone.with_suffix(ending).exists() and not onnx.with_suffix(ending).exists():
                    os.symlink(alone.with_suffix(ending), onnx.with_suffix(ending))
        self.onnx([row.network, '--random-weights', *row.options()], onnx, row.batch)
        # TensorFlow's form, which is also what Lorgnette answers from when the answers are compared.
        if not onnx.with_suffix('.pb').exists():
            convert = [self.lorgnette, 'models', 'convert', row.network, '--random-weights', *row.options(), '--out']
            self.whole(onnx.with_suffix('.pb'), lambda part: run([*convert, part]))
        shape = json.loads(onnx.with_suffix('.json').read_text())['shape']
        pictures = self.folder / f'photos-{row.style()}-{"x".join(map(str, shape))}'
        if not pictures.with_suffix('.npy').exists():
            run([self.python, PEERS / 'answers.py', 'make', ','.join(map(str, shape)), row.style(), pictures])
        return onnx, pictures

    def onnx(self, model, onnx, batch=1):
        """A model, as words that `lorgnette export` understands, as ONNX with channels first, and as MNN and ncnn want it."""
        if not onnx.exists() or not onnx.with_suffix('.json').exists():
            plain = onnx.with_name('plain.onnx')
            run([self.lorgnette, 'export', *model, '--to', 'onnx', '--out', plain, '--force'])
            run([self.python, PEERS / 'channels_first.py', plain, onnx, '--batch', batch])
            plain.unlink()
        if 'mnn' in self.engines and not onnx.with_suffix('.mnn').exists():
            self.whole(onnx.with_suffix('.mnn'), lambda part: self.convert_for_mnn(onnx, part))
        if 'ncnn' in self.engines and not onnx.with_suffix('.ncnn.bin').exists():
            self.convert_for_ncnn(onnx)
        return onnx

    def integers_of(self, files, row, photos):
        """A row's network in 8-bit integers, as each engine reads it. It is of one photo."""
        onnx, pictures = files
        tflite, about = onnx.with_suffix('.int8.tflite'), onnx.with_suffix('.int8.json')
        if not about.exists():
            scores = json.loads(onnx.with_suffix('.json').read_text())['output']
            quantise = [self.lorgnette, 'models', 'quantise', row.network, '--random-weights', '--calibrate', photos, '--min-agreement', 0, '--output', scores]
            run([*quantise, *row.options(), '--out', tflite])
            self.whole(about, lambda part: part.write_text(run([self.python, PEERS / 'integers.py', 'describe', tflite])))
        if 'onnxruntime-int8' in self.engines and not onnx.with_suffix('.int8.onnx').exists():
            export = [self.lorgnette, 'export', tflite, '--to', 'onnx', '--force', '--out']
            self.whole(onnx.with_suffix('.int8.onnx'), lambda part: run([*export, part]))
        if 'openvino-int8' in self.engines and not onnx.with_suffix('.nncf.xml').exists():
            run([self.python, PEERS / 'integers.py', 'nncf', onnx, photos, row.style(), onnx.with_suffix('.nncf.xml')])

    def convert_for_mnn(self, onnx, to):
        run([self.python.with_name('mnnconvert'), '-f', 'ONNX', '--modelFile', onnx, '--MNNModel', to, '--bizCode', 'x'])

    def convert_for_ncnn(self, onnx):
        """In a folder of its own, for the converter leaves much beside what it read. One photo: ncnn has no batches."""
        folder = onnx.with_suffix('.ncnn.work')
        folder.mkdir(exist_ok=True)
        link = folder / 'model.onnx'
        link.unlink(missing_ok=True)
        os.symlink(onnx, link)
        _, *rest = json.loads(onnx.with_suffix('.json').read_text())['shape']
        shape = ','.join(map(str, [1, *rest]))
        program = next(self.python.parents[1].glob('lib/python*/site-packages/pnnx/pnnx'))
        run([program, link, f'inputshape=[{shape}]f32', 'fp16=0'], cwd=folder)
        for ending in ('param', 'bin'):
            (folder / f'model.ncnn.{ending}').rename(onnx.with_suffix(f'.ncnn.{ending}'))
        shutil.rmtree(folder)

    @staticmethod
    def whole(path, write):
        """Writes a file under another name first, so that what is there is whole."""
        part = path.with_name(f'part-{path.name}')
        write(part)
        part.rename(path)
