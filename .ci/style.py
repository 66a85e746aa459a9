#!/usr/bin/env python3
"""Counts the shape of the Rust code that is no test, and fails where a number is over its limit.

    python3 .ci/style.py            a table by crate, then what is over a limit
    python3 .ci/style.py --list     every place behind a count, too

Counted: tokens of a function (signature and body, its nested functions and closures included), lines over 100
columns, functions with a tuple that stands for several parameters or with more than five arguments,
`unreachable!`, comments that begin with "What", closures that get a name. Code under `tests/`, `benches/` and
`#[cfg(test)]` does not count. Limits of a whole workspace. A line that is nothing but an address does not count.
"""
import re
import statistics
import subprocess
import sys
from collections import defaultdict

MAX_COLUMNS = 100
LIMITS = {
    'median tokens': 65,
    'lines over 100': 0,
    'tuple or array parameters': 0,
    'over 5 arguments': 5,
    'unreachable!': 3,
    'comments with What': 0,
    'named closures per 1000 lines': 2.0,
}

TOKEN = re.compile(r'''
    (?P<doc>//[/!][^\n]*)
  | (?P<line>//[^\n]*)
  | (?P<block>/\*.*?\*/)
  | (?P<raw>\b(?:b|c)?r(?P<hashes>\#*)".*?"(?P=hashes))
  | (?P<string>(?:\b[bc])?"(?:\\.|[^"\\])*")
  | (?P<char>b?'(?:\\(?:x[0-9a-fA-F]{2}|u\{[^}]*\}|.)|[^'\\\n])')
  | (?P<lifetime>'[A-Za-z_]\w*)
  | (?P<number>\d[\w]*(?:\.\d[\w]*)?)
  | (?P<ident>(?:r\#)?[A-Za-z_]\w*)
  | (?P<operator><<=|>>=|\.\.=|\.\.\.|::|->|=>|==|!=|<=|>=|&&|\|\||\+=|-=|\*=|/=|%=|\^=|&=|\|=|<<|\.\.)
  | (?P<other>[^\s])
''', re.X | re.S)
COMMENTS = ('doc', 'line', 'block')
# An address stays in one piece.
ADDRESS = re.compile(r'\s*"https?://[^"\s]+",?')
OPEN, CLOSE = '([{', ')]}'


class Token:
    def __init__(self, match, line):
        self.kind, self.text, self.line = match.lastgroup, match.group(0), line
        if self.kind == 'hashes':
            self.kind = 'raw'


def tokens_of(text):
    """Tokens with their lines, comments included."""
    found, line, at = [], 1, 0
    for match in TOKEN.finditer(text):
        line += text.count('\n', at, match.start())
        at = match.start()
        found.append(Token(match, line))
    return found


def closing(tokens, at):
    """The place of the bracket that closes the one at `at`."""
    depth = 0
    for place in range(at, len(tokens)):
        if tokens[place].text in OPEN:
            depth += 1
        elif tokens[place].text in CLOSE:
            depth -= 1
            if depth == 0:
                return place
    return len(tokens) - 1


def without_tests(tokens):
    """The tokens outside of items behind `#[cfg(test)]`."""
    kept, at = [], 0
    while at < len(tokens):
        texts = [token.text for token in tokens[at:at + 7]]
        if texts[:2] == ['#', '['] and texts[2:6] == ['cfg', '(', 'test', ')']:
            at = closing(tokens, at + 1) + 1
            while at < len(tokens) and tokens[at].text not in ('{', ';'):
                at = closing(tokens, at) + 1 if tokens[at].text in '([' else at + 1
            at = (closing(tokens, at) if at < len(tokens) and tokens[at].text == '{' else at) + 1
            continue
        kept.append(tokens[at])
        at += 1
    return kept


def parameters(tokens, start):
    """The parameters between the parentheses that open at `start`, each a list of tokens, `self` left out."""
    end, parts, depth, angle = closing(tokens, start), [[]], 0, 0
    for place in range(start + 1, end):
        token = tokens[place]
        text = token.text
        if text in OPEN:
            depth += 1
        elif text in CLOSE:
            depth -= 1
        elif text == '<':
            angle += 1
        elif text == '>':
            angle -= 1
        if text == ',' and depth == 0 and angle == 0:
            parts.append([])
        else:
            parts[-1].append(token)
    return end, [part for part in parts if part and not any(t.text == 'self' for t in part[:4])]


def is_tuple_or_array(part):
    """True for a parameter that stands for several: `(a, b): (A, B)`, `x: (A, B)`, a long array taken apart.

    A pair of one type is a value of its own, a point or a size, and so are three levels of a colour.
    """
    texts = [token.text for token in part]
    try:
        kind = texts[texts.index(':', closing(part, 0) if texts[0] in OPEN else 0) + 1:]
    except ValueError:
        return False
    while kind and (kind[0] in ('&', 'mut') or kind[0].startswith("'")):
        kind = kind[1:]
    if kind[:1] == ['(']:
        if kind[1:2] in ([')'], ['dyn'], ['impl']):
            return False
        members, depth = [[]], 0
        for text in kind[1:-1]:
            depth += (text in '([{<') - (text in ')]}>')
            members.append([]) if text == ',' and depth == 0 else members[-1].append(text)
        members = [member for member in members if member]
        return len(members) > 4 or any(member != members[0] for member in members)
    return texts[0] == '(' or texts[0] == '[' and texts[:closing(part, 0)].count(',') > 3


def functions(tokens):
    """`(name, line, tokens, parameters)` of every function that has a body."""
    for at, token in enumerate(tokens):
        if token.text != 'fn' or token.kind != 'ident' or at + 1 >= len(tokens) or tokens[at + 1].kind != 'ident':
            continue
        place, angle = at + 2, 0
        while place < len(tokens) and (angle or tokens[place].text != '('):
            angle += {'<': 1, '>': -1, '<<': 2}.get(tokens[place].text, 0)
            place += 1
        end, found = parameters(tokens, place)
        place = end
        while place < len(tokens) and tokens[place].text not in ('{', ';'):
            place = closing(tokens, place) + 1 if tokens[place].text in '([' else place + 1
        if place < len(tokens) and tokens[place].text == '{':
            yield tokens[at + 1].text, token.line, closing(tokens, place) - at + 1, found


def count(path, text, sums, places):
    tokens = without_tests(tokens_of(text))
    lines = {token.line for token in tokens}
    for number, line in enumerate(text.splitlines(), 1):
        if len(line) > MAX_COLUMNS and number in lines and not ADDRESS.fullmatch(line):
            places['lines over 100'].append(f'{path}:{number}')
    code = [token for token in tokens if token.kind not in COMMENTS]
    sums['lines'] += len({token.line for token in code})
    for place, token in enumerate(tokens):
        if token.kind in COMMENTS and re.match(r'//[/!]?\s*What\b', token.text):
            before = tokens[place - 1] if place else None
            if not (before and before.kind == token.kind and before.line == token.line - 1
                    and before.text.strip('/! ')):
                places['comments with What'].append(f'{path}:{token.line}')
    for place, token in enumerate(code):
        following = [t.text for t in code[place:place + 6]]
        if following[:2] == ['unreachable', '!']:
            places['unreachable!'].append(f'{path}:{token.line}')
        if following[:1] == ['let']:
            rest = following[1:]
            rest = rest[1:] if rest[:1] == ['mut'] else rest
            if len(rest) > 2 and rest[1] == '=' and (rest[2] in ('|', '||') or rest[2:4] == ['move', '|'] or rest[2:4] == ['move', '||']):
                places['named closures'].append(f'{path}:{token.line} {rest[0]}')
    for name, line, length, found in functions(code):
        sums['functions'].append(length)
        if len(found) > 5:
            places['over 5 arguments'].append(f'{path}:{line} {name} ({len(found)})')
        if any(is_tuple_or_array(part) for part in found):
            places['tuple or array parameters'].append(f'{path}:{line} {name}')


def main():
    listing = subprocess.run(['git', 'ls-files', '*.rs'], capture_output=True, text=True, check=True).stdout
    crates = defaultdict(list)
    for path in listing.splitlines():
        if '/tests/' in path or '/benches/' in path or path.endswith(('tests.rs', 'testing.rs')):
            continue
        crates[path.split('/src/')[0].split('/examples/')[0]].append(path)
    total, all_places = {'lines': 0, 'functions': []}, defaultdict(list)
    print(f'{"":26} {"lines":>6} {"functions":>9} {"tokens":>6} {"p99":>5} {">100":>5} {"tuples":>6} {">5":>3} '
          f'{"unr!":>4} {"What":>4} {"closures":>8}')

    def row(name, sums, places):
        lengths = sorted(sums['functions']) or [0]
        closures = 1000 * len(places['named closures']) / max(sums['lines'], 1)
        print(f'{name:26} {sums["lines"]:6} {len(lengths):9} {statistics.median(lengths):6.0f} '
              f'{lengths[len(lengths) * 99 // 100]:5} {len(places["lines over 100"]):5} '
              f'{len(places["tuple or array parameters"]):6} {len(places["over 5 arguments"]):3} '
              f'{len(places["unreachable!"]):4} {len(places["comments with What"]):4} {closures:8.1f}')

    for crate, paths in sorted(crates.items()):
        sums, places = {'lines': 0, 'functions': []}, defaultdict(list)
        for path in paths:
            with open(path, encoding='utf-8') as file:
                count(path, file.read(), sums, places)
        row(crate, sums, places)
        total['lines'] += sums['lines']
        total['functions'] += sums['functions']
        for what, found in places.items():
            all_places[what] += found
    row('all', total, all_places)
    if '--list' in sys.argv:
        for what, found in all_places.items():
            print(f'\n{what}')
            print('\n'.join(f'  {place}' for place in found))
    values = {
        'median tokens': statistics.median(total['functions']),
        'named closures per 1000 lines': 1000 * len(all_places['named closures']) / total['lines'],
    }
    over = [(what, values.get(what, len(all_places[what])), limit) for what, limit in LIMITS.items()]
    over = [entry for entry in over if entry[1] > entry[2]]
    for what, value, limit in over:
        print(f'{what}: {value:.1f}, at most {limit}', file=sys.stderr)
    return 1 if over else 0


sys.exit(main())
