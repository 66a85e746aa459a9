"""The table of a run of `bench/compare`: medians of the ratios taken in turns."""
import collections
import json
import os
import pathlib
import platform
import re
import statistics

OURS = ('lorgnette', 'lorgnette-bf16')


def machine_name():
    model = re.search(r'model name\s*: (.*)', pathlib.Path('/proc/cpuinfo').read_text())
    name = model[1] if model else platform.machine()
    return re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')


def machine():
    """The machine, in a line."""
    text = pathlib.Path('/proc/cpuinfo').read_text()
    flags = set(re.search(r'flags\s*: (.*)', text)[1].split())
    wide = [flag for flag in ('avx2', 'avx512f', 'avx512_bf16', 'avx512_vnni', 'amx_bf16') if flag in flags]
    memory = os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES') / 2**30
    model = re.search('model name.*: (.*)', text)[1]
    return f'{model}, {os.cpu_count()} cores ({", ".join(wide)}), {memory:.0f} GiB, {platform.system()} {platform.release()}'


class Turns:
    """Everything measured of a row on so many threads."""

    def __init__(self):
        self.by_engine = collections.defaultdict(dict)

    def add(self, line):
        self.by_engine[line['engine']][line.get('turn', line.get('round'))] = line

    def count(self, engine, ours='lorgnette'):
        """Turns that both took."""
        return len(self.ratios(engine, ours))

    def median(self, engine):
        return statistics.median(line['median_ms'] for line in self.by_engine[engine].values())

    def best(self, engine):
        return min(line['min_ms'] for line in self.by_engine[engine].values())

    def ratios(self, theirs, ours):
        theirs, ours = self.by_engine.get(theirs, {}), self.by_engine.get(ours, {})
        return [theirs[turn]['median_ms'] / ours[turn]['median_ms'] for turn in theirs.keys() & ours.keys()]

    def memory(self, engine):
        found = [line['peak_rss_mb'] for line in self.by_engine[engine].values() if line.get('peak_rss_mb')]
        return f'{statistics.median(found):.0f}' if found else ''


def read(folder):
    """(row, threads) -> Turns, and the lines of answers: of both, those that were written last count."""
    rows, answers, loads = collections.defaultdict(Turns), {}, []
    raw = folder / 'raw.jsonl'
    for line in map(json.loads, raw.read_text().splitlines() if raw.exists() else ()):
        if 'answer' in line:
            answers[line['row'], line['engine']] = line
        else:
            rows[line['row'], line['threads']].add(line)
            loads.append(line['load'])
    return rows, answers, loads


def write(folder):
    """Writes summary.md into a run's folder; returns what it says."""
    rows, answers, loads = read(folder)
    about = json.loads((folder / 'run.json').read_text()) if (folder / 'run.json').exists() else {}
    text = '\n'.join([*head(folder, about, loads), *best_peers(rows), '', *table(rows), '', *agreement(answers)]) + '\n'
    (folder / 'summary.md').write_text(text)
    return text


def head(folder, about, loads):
    versions = f' Peers: {", ".join(about["peers"])}.' if about.get('peers') else ''
    commit = f' Lorgnette {about["commit"]}.' if about.get('commit') else ''
    load = f' Load while measuring: {min(loads):.1f} to {max(loads):.1f}.' if loads else ''
    return [f'# Measured {folder.name}', '', f'{about.get("machine", machine())}.{commit}{versions}{load}', '',
            'Ratios are their time by ours, the median over the turns taken together, and (least – most): above 1, Lorgnette is faster. **Rows we',
            'lose are bold.** The best times of all turns are less disturbed by whatever else the machine does. Float32 unless an engine\'s name says',
            'otherwise. `raw.jsonl` has every measurement. Remake with `bench/compare WORK`.', '']


def best_peers(rows):
    """Each row's best float32 peer, and of bf16 the same."""
    yield '| row | threads | Lorgnette | best float32 peer | ratio | Lorgnette bf16 | OpenVINO bf16 | ratio |'
    yield '|---|--:|--:|---|--:|--:|--:|--:|'
    for (row, threads), turns in rows.items():
        peers = [engine for engine in turns.by_engine if engine not in OURS and not engine.endswith('bf16') and turns.ratios(engine, 'lorgnette')]
        if not peers:
            continue
        best = min(peers, key=turns.median)
        cells = [row, threads, ms(turns.median('lorgnette')), f'{best} {ms(turns.median(best))}', shown(turns.ratios(best, 'lorgnette'))]
        halves = turns.ratios('openvino-bf16', 'lorgnette-bf16')
        cells += [ms(turns.median('lorgnette-bf16')), ms(turns.median('openvino-bf16')), shown(halves)] if halves else ['', '', '']
        yield line_of(cells)


def table(rows):
    yield '| row | threads | ours | ms | MB | peer | ms | MB | ratio | of the best times | turns |'
    yield '|---|--:|---|--:|--:|---|--:|--:|--:|--:|--:|'
    for (row, threads), turns in rows.items():
        for ours in OURS:
            for peer in turns.by_engine:
                # Bf16 against bf16, and everything against float32.
                fits = peer not in OURS and (ours == 'lorgnette' or peer.endswith('bf16'))
                ratios = turns.ratios(peer, ours) if fits else []
                if ratios:
                    best = turns.best(peer) / turns.best(ours)
                    yield line_of([row, threads, ours, ms(turns.median(ours)), turns.memory(ours), peer, ms(turns.median(peer)), turns.memory(peer),
                                   shown(ratios), f'{best:.2f}', len(ratios)])


def agreement(answers):
    """What the answers that were compared before timing differed by."""
    if not answers:
        return
    yield 'Before it is timed, an engine\'s answer to one made-up picture (or batch) is compared with Lorgnette\'s in float32: the largest difference by'
    yield 'the largest magnitude, and how many of the first classes are the same.'
    yield ''
    yield '| row | engine | difference | same first class | |'
    yield '|---|---|--:|--:|---|'
    for (row, engine), line in answers.items():
        found = line['answer']
        error = '' if found.get('error') is None else f'{found["error"]:.1e}'
        same = '' if found.get('same_first') is None else f'{100 * found["same_first"]:.0f} %'
        yield line_of([row, engine, error, same, found.get('verdict', '')])


def ms(value):
    return f'{value:.1f}' if value >= 10 else f'{value:.2f}'


def shown(ratios):
    ratio = statistics.median(ratios)
    text = f'{ratio:.2f} ({min(ratios):.2f} – {max(ratios):.2f})'
    return text if ratio >= 1 else f'**{text}**'


def line_of(cells):
    return '| ' + ' | '.join(map(str, cells)) + ' |'
