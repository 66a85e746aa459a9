"""Programs that stay loaded between their turns in `bench/compare`."""
import contextlib
import json
import os
import pathlib
import re
import signal
import subprocess
import tempfile

# The part of all memory that has to be free, or what has had its turn is ended and loaded again for the next one.
SPARE = 1 / 4


class Loaded:
    """An engine on a model: a process that is loaded when it is first needed, and stopped between its turns so that it disturbs nobody."""

    def __init__(self, words):
        self.words, self.process = [str(word) for word in words], None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.end()

    def answer(self, path):
        """Loads the model, and writes what it makes of the input."""
        self.load('--answer', str(path))
        self.rest()

    def measure(self):
        """What it says of a turn, with the memory it took up to then."""
        if self.process is None:
            self.load()
        self.process.send_signal(signal.SIGCONT)
        # If it has ended meanwhile, its complaint is read below.
        with contextlib.suppress(BrokenPipeError):
            self.process.stdin.write('\n')
            self.process.stdin.flush()
        found = self.ready | self.listen() | {'peak_rss_mb': self.peak_rss_mb()}
        self.rest()
        return found

    def load(self, *more):
        self.complaints = tempfile.TemporaryFile('w+')
        self.process = subprocess.Popen([*self.words, *more], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.complaints, text=True)
        self.ready = self.listen()

    def listen(self):
        """Its next line of JSON; engines print things of their own in between."""
        for line in self.process.stdout:
            if line.startswith('{"'):
                return json.loads(line)
        self.complaints.seek(0)
        complaint = (self.complaints.read().strip().splitlines() or ['it ended without a word'])[-1]
        self.end()
        raise SystemExit(f'{" ".join(self.words)}:\n  {complaint}')

    def peak_rss_mb(self):
        status = pathlib.Path(f'/proc/{self.process.pid}/status').read_text()
        return int(re.search(r'VmHWM:\s*(\d+) kB', status)[1]) * 1024 / 1e6

    def rest(self):
        if is_memory_short():
            self.end()
        else:
            self.process.send_signal(signal.SIGSTOP)
            os.waitpid(self.process.pid, os.WUNTRACED)

    def end(self):
        if self.process:
            self.process.kill()
            self.process.communicate()
            self.complaints.close()
            self.process = None


def is_memory_short():
    found = dict(re.findall(r'(\w+):\s*(\d+) kB', pathlib.Path('/proc/meminfo').read_text()))
    return int(found['MemAvailable']) < SPARE * int(found['MemTotal'])
