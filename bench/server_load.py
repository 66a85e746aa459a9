"""Requests a second of `lorgnette serve` beside FastAPI servers of ONNX Runtime and OpenVINO, and what it does when it gets
more than it can answer, is told to end, or has its models replaced.

    python3 bench/server_load.py throughput --lorgnette target/release/lorgnette --environment DIR [--seconds 20] [--rounds 3]
    python3 bench/server_load.py overload   --lorgnette target/release/lorgnette [--seconds 600]
    python3 bench/server_load.py terminate  --lorgnette target/release/lorgnette [--times 10]
    python3 bench/server_load.py replace    --lorgnette target/release/lorgnette [--times 100]

`throughput` runs the servers in turns: photos as JPEG and as tensors, 1, 4 and 32 clients that each send a request when
they have the last answer; OpenVINO in float32 and, as it does by itself where the CPU has it, in bf16. DIR is made on the first run, with the packages of PACKAGES. The figures are of a quiet machine
with the clients on the same cores.
`overload` measures what the server can answer, and sends three times as much at fixed times, whatever is answered.
The last three exit with 1 if an answer is wrong or missing; they need nothing but Python.
"""
import argparse
import asyncio
import functools
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[1]
GRAPH = ROOT / 'crates' / 'lorgnette' / 'models' / 'mobilenet_v1_1.0_224.pb'
PHOTO = ROOT / 'photos' / 'chelsea.jpg'
PACKAGES = ('fastapi==0.165.0', 'uvicorn==0.54.0', 'httptools', 'uvloop', 'onnxruntime==1.31.1', 'openvino==2026.4.1',
            'pillow==13.0.0', 'numpy==2.4.6')
CLIENTS = (1, 4, 32)


class Lorgnette:
    """A running `lorgnette serve`."""

    def __init__(self, program, *arguments):
        command = [program, 'serve', '--http', '127.0.0.1:0', '--grpc', '127.0.0.1:0', *map(str, arguments)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        for line in self.process.stderr:
            found = re.search(r'listening at http://(\S+):(\d+)', line)
            if found and not hasattr(self, 'port'):
                self.port = int(found[2])
            if 'serving ' in line:
                break
        else:
            sys.exit('the server does not start')
        self.log = []
        threading.Thread(target=lambda: self.log.extend(self.process.stderr), daemon=True).start()

    def memory(self):
        return resident([self.process.pid])

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=90)


class Peer:
    """A running FastAPI server."""

    def __init__(self, environment, engine, model, workers, precision):
        with socket.socket() as probe:
            probe.bind(('127.0.0.1', 0))
            self.port = probe.getsockname()[1]
        threads = max(1, len(os.sched_getaffinity(0)) // workers)
        words = ['-m', 'uvicorn', 'fastapi_server:app', '--port', self.port, '--workers', workers, '--no-access-log', '--log-level', 'warning']
        self.process = subprocess.Popen(
            [str(environment / 'bin' / 'python'), *map(str, words)], cwd=ROOT / 'bench' / 'peers',
            env={**os.environ, 'SERVER_ENGINE': engine, 'SERVER_MODEL': str(model), 'SERVER_THREADS': str(threads),
                 'SERVER_PRECISION': {'float32': 'f32'}.get(precision, precision)})
        deadline = time.monotonic() + 120
        while True:
            try:
                socket.create_connection(('127.0.0.1', self.port), 1).close()
                break
            except OSError:
                if time.monotonic() > deadline or self.process.poll() is not None:
                    sys.exit(f'{engine} does not start')
                time.sleep(0.2)

    def memory(self):
        return resident([self.process.pid, *children(self.process.pid)])

    def stop(self):
        self.process.terminate()
        self.process.wait(timeout=30)


def children(pid):
    found = []
    for child in pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().split():
        found += [int(child), *children(int(child))]
    return found


def resident(pids):
    """MiB in memory."""
    total = 0
    for pid in pids:
        for line in pathlib.Path(f'/proc/{pid}/status').read_text().splitlines():
            if line.startswith('VmRSS:'):
                total += int(line.split()[1])
    return total / 1024


def request(path, body, *fields, close=False):
    """The bytes of a request."""
    head = [f'POST {path} HTTP/1.1', 'Host: localhost', f'Content-Length: {len(body)}', *fields, *(['Connection: close'] if close else [])]
    return '\r\n'.join(head).encode() + b'\r\n\r\n' + body


def photo_request(close=False):
    return request('/v1/classify?top=5', PHOTO.read_bytes(), 'Content-Type: image/jpeg', close=close)


def tensor():
    """A float32 tensor of a picture, made without numpy."""
    import array
    import random
    chance = random.Random(1)
    return array.array('f', (chance.uniform(-1, 1) for _ in range(224 * 224 * 3))).tobytes()


async def answer(reader):
    """Status, fields and body of an answer."""
    head = await reader.readuntil(b'\r\n\r\n')
    lines = head.decode('latin1').split('\r\n')
    fields = dict(line.lower().split(': ', 1) for line in lines[1:] if ': ' in line)
    if 'chunked' in fields.get('transfer-encoding', ''):
        body = b''
        while True:
            size = int(await reader.readline(), 16)
            body += await reader.readexactly(size)
            await reader.readline()
            if size == 0:
                break
    else:
        body = await reader.readexactly(int(fields.get('content-length', 0)))
    return int(lines[0].split()[1]), fields, body


def quantile(times, share):
    times = sorted(times)
    return times[min(len(times) - 1, int(share * len(times)))] if times else float('nan')


# Throughput.

async def closed_loop(port, data, clients, seconds):
    """Seconds of each answer of clients that send one request after the other."""
    times, end = [], time.perf_counter() + seconds

    async def client():
        reader, writer = await asyncio.open_connection('127.0.0.1', port, limit=1 << 22)
        while time.perf_counter() < end:
            started = time.perf_counter()
            writer.write(data)
            status, _, body = await answer(reader)
            if status != 200:
                sys.exit(f'{status}: {body[:200]!r}')
            times.append(time.perf_counter() - started)
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return times


def throughput(arguments):
    environment = arguments.environment
    if not (environment / 'bin' / 'uvicorn').exists():
        subprocess.run([sys.executable, '-m', 'venv', environment], check=True)
        subprocess.run([environment / 'bin' / 'pip', 'install', '--log', os.devnull, *PACKAGES], check=True)
    model = arguments.model or GRAPH
    onnx = environment / f'{pathlib.Path(model).stem}.onnx'
    if not onnx.exists():
        subprocess.run([arguments.lorgnette, 'export', model, '--to', 'onnx', '--out', onnx], check=True)
    name = pathlib.Path(model).stem
    own = {'jpeg': photo_request(), 'tensor': request(f'/v2/models/{name}/infer', tensor(), 'Inference-Header-Content-Length: 0')}
    peers = {'jpeg': request('/jpeg', PHOTO.read_bytes()), 'tensor': request('/tensor', tensor())}
    servers = {}
    for precision in arguments.precisions:
        servers[f'lorgnette {precision}'] = functools.partial(
            Lorgnette, arguments.lorgnette, model, '--log', os.devnull, '--precision', precision)
        for engine in ('onnxruntime', 'openvino') if precision == 'float32' else ('openvino',):
            for workers in (1, len(os.sched_getaffinity(0))):
                servers[f'{engine} {precision}, {workers} workers'] = functools.partial(
                    Peer, environment, engine, onnx, workers, precision)
    rows = {}
    for _ in range(arguments.rounds):
        for title, start in servers.items():
            server = start()
            for kind in ('jpeg', 'tensor'):
                data = (own if title.startswith('lorgnette') else peers)[kind]
                asyncio.run(closed_loop(server.port, data, 4, 2))
                for clients in CLIENTS:
                    times = asyncio.run(closed_loop(server.port, data, clients, arguments.seconds))
                    rate = len(times) / arguments.seconds
                    rows.setdefault((kind, clients, title), []).append(
                        (rate, 1e3 * quantile(times, 0.5), 1e3 * quantile(times, 0.99), server.memory()))
            server.stop()
    print(f'{"":8} {"clients":>7}  {"server":29} {"requests/s":>10} {"p50 ms":>8} {"p99 ms":>8} {"MiB":>6}')
    for (kind, clients, title), rounds in sorted(rows.items()):
        rate, p50, p99, memory = (statistics.median(column) for column in zip(*rounds))
        print(f'{kind:8} {clients:7}  {title:29} {rate:10.1f} {p50:8.1f} {p99:8.1f} {memory:6.0f}')


# Overload.

async def open_loop(server, data, rate, seconds, expected):
    """Counts of statuses, times of what was accepted, faults, and memory, of requests that are sent at fixed times."""
    statuses, times, faults, memory = {}, [], [], []
    running = set()

    async def one():
        started = time.perf_counter()
        try:
            reader, writer = await asyncio.open_connection('127.0.0.1', server.port, limit=1 << 22)
            writer.write(data)
            status, fields, body = await answer(reader)
            writer.close()
        except (OSError, asyncio.IncompleteReadError) as error:
            faults.append(repr(error))
            return
        statuses[status] = statuses.get(status, 0) + 1
        if status == 200:
            times.append(time.perf_counter() - started)
            if body != expected:
                faults.append(f'another answer: {body[:200]!r}')
        elif status == 429:
            if 'retry-after' not in fields:
                faults.append('429 without Retry-After')
        else:
            faults.append(f'{status}: {body[:200]!r}')

    begun, number = time.perf_counter(), 0
    while (now := time.perf_counter() - begun) < seconds:
        while number < now * rate:
            task = asyncio.create_task(one())
            running.add(task)
            task.add_done_callback(running.discard)
            number += 1
        if now > seconds * len(memory) / 10:
            memory.append(server.memory())
        await asyncio.sleep(0.005)
    await asyncio.gather(*running)
    return statuses, times, faults, memory


def overload(arguments):
    server = Lorgnette(arguments.lorgnette, '--log', os.devnull)
    data = photo_request(close=True)
    expected = asyncio.run(one_answer(server.port, photo_request()))
    capacity = len(asyncio.run(closed_loop(server.port, photo_request(), 8, 3))) / 3
    # Buffers reach their size first.
    asyncio.run(open_loop(server, data, 3 * capacity, min(20, arguments.seconds / 4), expected))
    statuses, times, faults, memory = asyncio.run(open_loop(server, data, 3 * capacity, arguments.seconds, expected))
    ended = server.stop()
    accepted, refused = statuses.get(200, 0), statuses.get(429, 0)
    before, after = memory[0], memory[-1]
    print(f'{capacity:.1f} requests/s can be answered; {3 * capacity:.1f} were sent for {arguments.seconds:.0f} s: '
          f'{accepted} answered, {refused} refused, {len(faults)} failed')
    print(f'answered: p50 {1e3 * quantile(times, 0.5):.0f} ms, p99 {1e3 * quantile(times, 0.99):.0f} ms; '
          f'MiB by tenths of the time: {", ".join(f"{part:.0f}" for part in memory)}')
    # 64 wait, and each core computes one.
    bound = 3 * 66 / capacity + 1
    checks = {
        'no accepted request failed': not faults, 'some were refused': refused > 0, 'many were answered': accepted > 10,
        f'p99 below {bound:.1f} s': quantile(times, 0.99) < bound, 'memory is flat': after < before + 24, 'it ends well': ended == 0,
    }
    report(checks, faults)


async def one_answer(port, data):
    reader, writer = await asyncio.open_connection('127.0.0.1', port, limit=1 << 22)
    writer.write(data)
    status, _, body = await answer(reader)
    writer.close()
    assert status == 200, body
    return body


def report(checks, faults):
    for what, holds in checks.items():
        print(f'{"ok" if holds else "FAILED":8}{what}')
    for fault in sorted(set(faults))[:10]:
        print(f'        {fault}')
    failed = sum(not holds for holds in checks.values())
    print(f'{len(checks) - failed} passed, {failed} failed')
    sys.exit(1 if failed else 0)


# The end.

async def until_the_end(server, data, expected, delay):
    """What became of the requests around SIGTERM: answered, refused, not accepted, lost."""
    counts, over = {'answered': 0, 'refused': 0, 'not accepted': 0, 'lost': 0, 'wrong': 0}, False

    async def client():
        nonlocal over
        while not over:
            try:
                reader, writer = await asyncio.open_connection('127.0.0.1', server.port, limit=1 << 22)
            except OSError:
                counts['not accepted'] += 1
                return
            try:
                writer.write(data)
                status, _, body = await answer(reader)
            except asyncio.IncompleteReadError as error:
                # Not a byte of an answer: the system had the connection, the server did not.
                counts['lost' if error.partial else 'closed'] = counts.get('lost' if error.partial else 'closed', 0) + 1
                return
            except OSError:
                counts['not accepted'] += 1
                return
            finally:
                writer.close()
            kind = {200: 'answered', 429: 'refused', 503: 'refused'}.get(status, 'wrong')
            counts['wrong' if kind == 'answered' and body != expected else kind] += 1

    clients = [asyncio.create_task(client()) for _ in range(12)]
    await asyncio.sleep(delay)
    server.process.send_signal(signal.SIGTERM)
    await asyncio.wait(clients, timeout=90)
    over = True
    return counts


def terminate(arguments):
    total, codes = {}, []
    for number in range(arguments.times):
        server = Lorgnette(arguments.lorgnette)
        expected = asyncio.run(one_answer(server.port, photo_request()))
        counts = asyncio.run(until_the_end(server, photo_request(close=True), expected, 0.4 + 0.13 * number))
        codes.append(server.process.wait(timeout=90))
        # What the server says it answered, clients have.
        logged = sum('"event":"request"' in line and '"status":200' in line for line in server.log)
        counts['said to be answered, but not'] = max(0, logged - 1 - counts['answered'])
        for kind, count in counts.items():
            total[kind] = total.get(kind, 0) + count
    print(', '.join(f'{count} {kind}' for kind, count in total.items()))
    checks = {
        'nothing accepted was lost': total['lost'] == 0 and total['said to be answered, but not'] == 0 and total.get('closed', 0) == 0,
        'no answer was wrong': total['wrong'] == 0, 'many were answered': total['answered'] >= 5 * arguments.times,
        'it ends well': all(code == 0 for code in codes),
    }
    report(checks, [])


# New versions.

def variant(graph, bias):
    """The network with another bias of its first class, by which its answers tell it."""
    import struct
    name = graph.index(b'MobilenetV1/Logits/Conv2d_1c_1x1/biases')
    content = graph.index(b'\x22\xa4\x1f', name) + 3
    return graph[:content] + struct.pack('<f', bias) + graph[content + 4:]


def put(folder, version, graph):
    staged = folder / f'.{version}'
    staged.mkdir()
    (staged / 'graph.pb').write_bytes(graph)
    staged.rename(folder / str(version))


def replace(arguments):
    import base64
    graph = GRAPH.read_bytes()
    folder = pathlib.Path(tempfile.mkdtemp())
    put(folder, 1, variant(graph, 1.0))
    server = Lorgnette(arguments.lorgnette, f'm={folder}', '--poll', '0.1', '--log', os.devnull)
    photo = {'name': 'input', 'datatype': 'BYTES', 'shape': [1], 'parameters': {'content_type': 'base64'},
             'data': [base64.b64encode(PHOTO.read_bytes()).decode()]}
    data = request('/v2/models/m/infer', json.dumps({'inputs': [photo], 'outputs': [{'name': 'logits'}]}).encode())
    faults, seen, over = [], set(), False

    def read(body):
        body = json.loads(body)
        return int(body['model_version']), body['outputs'][0]['data'][0]

    _, base = read(asyncio.run(one_answer(server.port, data)))

    async def client():
        reader, writer = await asyncio.open_connection('127.0.0.1', server.port, limit=1 << 22)
        answers = 0
        while not over:
            writer.write(data)
            status, _, body = await answer(reader)
            answers += 1
            if status != 200:
                faults.append(f'{status}: {body[:200]!r}')
                continue
            version, logit = read(body)
            seen.add(version)
            if abs(logit - (base + version - 1)) > 1e-2:
                faults.append(f'version {version} answers {logit}, not {base + version - 1}')
        writer.close()
        return answers

    async def run():
        nonlocal over
        clients = [asyncio.create_task(client()) for _ in range(4)]
        for version in range(2, arguments.times + 2):
            put(folder, version, variant(graph, float(version)))
            deadline = time.monotonic() + 60
            while version not in seen and time.monotonic() < deadline:
                await asyncio.sleep(0.02)
            shutil.rmtree(folder / str(version - 1))
        over = True
        return sum(await asyncio.gather(*clients))

    answers, ended = asyncio.run(run()), server.stop()
    shutil.rmtree(folder)
    print(f'{answers} answers while {arguments.times} versions came and went')
    wanted = set(range(1, arguments.times + 2))
    report({'every answer belongs to one version': not faults, 'every version answered': wanted <= seen, 'it ends well': ended == 0}, faults)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(required=True)
    for verb, run in (('throughput', throughput), ('overload', overload), ('terminate', terminate), ('replace', replace)):
        part = verbs.add_parser(verb)
        part.add_argument('--lorgnette', required=True)
        part.set_defaults(run=run)
        if run in (throughput, overload):
            part.add_argument('--seconds', type=float, default=20 if run is throughput else 600)
        if run in (terminate, replace):
            part.add_argument('--times', type=int, default=10 if run is terminate else 100)
        if run is throughput:
            part.add_argument('--environment', type=pathlib.Path, required=True)
            part.add_argument('--model', type=pathlib.Path, help='a network [default: MobileNet V1]')
            part.add_argument('--rounds', type=int, default=3)
            part.add_argument('--precisions', nargs='+', choices=('float32', 'bf16'), default=['float32', 'bf16'])
    arguments = parser.parse_args()
    arguments.run(arguments)


if __name__ == '__main__':
    main()
