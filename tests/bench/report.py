# SPDX-License-Identifier: LGPL-2.1-or-later
"""Samples to tables and plots."""

import json
import statistics

import plot

COSTS = [('cpu', 'CPU, % of a core'), ('pss', 'PSS, MB'), ('threads', 'threads'), ('fds', 'descriptors'),
         ('waits', 'waits/s'), ('syscalls', 'system calls/s'), ('mbits', 'Mbit/s each, at the server'),
         ('fps', 'frames/s each')]
# Row, value, what it is held against, and what ratio is wanted: (row, n) of the samples.
GOALS = [('publish', 'cpu', 'go', 1.0), ('publish', 'cpu', 'crate', 0.45), ('publish', 'cpu', 'floor', 1.25),
         ('receive', 'cpu', 'go', 1.0), ('receive', 'cpu', 'crate', 0.4), ('publish', 'pss', 'go', 0.6),
         ('receive', 'pss', 'go', 0.6), ('publish', 'threads', 'crate', 0.5), ('receive', 'threads', 'crate', 0.5),
         ('publish', 'fds', 'crate', 0.5), ('receive', 'fds', 'crate', 0.5)]
GOAL_COUNTS = {'cpu': (10, 50), 'pss': (10,), 'threads': (10, 50), 'fds': (10, 50)}
FLAT = 'publish', 'receive', 'scale'
# Sections of one table: the title, what its rows begin with, values.
PLAIN = [
    ('Joining, ms', 'join', [('join', 'joined'), ('first', 'first frame')]),
    ('Publishing, ms', 'first frame', [('published', 'published'), ('first', 'first frame at a subscriber')]),
    ('A 20th track, ms', '20th track', [('published', 'published'), ('first', 'first frame at a subscriber')]),
    ('One-way latency, pad to pad, ms', 'latency', [('median', 'median'), ('99th', '99th percentile'), ('max', 'most'),
                                                    ('frames', 'frames'), ('lost', 'never came')]),
    ('The plugin', 'load', [('kilobytes', 'kB stripped'), ('load', 'loading, ms'), ('load cpu', 'of a processor, ms'),
                            ('element', 'with an element, ms'), ('element cpu', 'of a processor, ms')]),
]


def spread(values):
    return statistics.median(values), min(values), max(values)


def number(value):
    if value is None:
        return '–'
    return '%.0f' % value if abs(value) >= 100 else '%.1f' % value if abs(value) >= 10 else '%.2f' % value


def cell(values):
    """The median, with least and most where there are several."""
    values = [value for value in values if value is not None]
    if not values:
        return '–'
    middle, least, most = spread(values)
    return number(middle) if len(values) == 1 or number(least) == number(most) else \
        '%s (%s–%s)' % tuple(map(number, (middle, least, most)))


def table(headings, rows):
    lines = ['| %s |' % ' | '.join(headings), '| %s |' % ' | '.join('---' for _ in headings)]
    return '\n'.join(lines + ['| %s |' % ' | '.join(row) for row in rows]) + '\n'


class Report:
    def __init__(self, measured, runs, about, peers):
        self.samples, self.missing = measured.samples, measured.missing
        self.runs, self.about = runs, about
        self.titles = {peer.name: peer.title for peer in peers}

    def values(self, row, peer, key, **fields):
        return [sample['values'].get(key) for sample in self.samples if sample['row'] == row and sample['peer'] == peer
                and all(sample.get(name) == value for name, value in fields.items())]

    def median(self, row, peer, key, **fields):
        values = [value for value in self.values(row, peer, key, **fields) if value is not None]
        return statistics.median(values) if values else None

    def peers_of(self, row):
        found = {sample['peer'] for sample in self.samples if sample['row'] == row}
        return [name for name in self.titles if name in found]

    def counts(self, row):
        return sorted({sample['n'] for sample in self.samples if sample['row'] == row})

    def load(self, start):
        """The load of the machine while rows were measured, as a sentence."""
        loads = [float(sample['load']) for sample in self.samples if sample['row'].startswith(start)]
        return 'Load of the machine meanwhile: %s to %s.\n\n' % (min(loads), max(loads)) if loads else ''

    def costs(self, row):
        """A table for each number of streams."""
        text = ''
        for count in self.counts(row):
            keys = [pair for pair in COSTS if any(value is not None for peer in self.peers_of(row)
                                                  for value in self.values(row, peer, pair[0], n=count))]
            rows = [['%s' % self.titles[peer]] + [cell(self.values(row, peer, key, n=count)) for key, _ in keys]
                    for peer in self.peers_of(row) if self.values(row, peer, 'cpu', n=count)]
            text += 'N = %d\n\n%s\n' % (count, table([row] + [title for _, title in keys], rows))
        return text

    def goals(self):
        rows = []
        for row, key, other, goal in GOALS:
            for count in GOAL_COUNTS[key]:
                ours, theirs = (self.median(row, peer, key, n=count) for peer in ('ours', other))
                if ours is None or not theirs:
                    continue
                ratio = ours / theirs
                rows.append(['%s, N = %d, %s' % (row, count, key), self.titles[other], '%.2f' % ratio,
                             '≤ %.2f' % goal, 'kept' if ratio <= goal else 'MISSED'])
        return table(['ours ÷', 'theirs', 'ratio', 'goal', ''], rows) if rows else ''

    def flatness(self):
        """Cost of one stream, by how many there are."""
        rows, every = [], sorted({count for row in FLAT for count in self.counts(row)})
        for row in FLAT:
            for peer in self.peers_of(row):
                costs = [(self.median(row, peer, 'cpu', n=count), count) for count in every]
                rows.append([row, self.titles[peer]] + [number(cost and cost / count) for cost, count in costs])
        return table(['CPU of one stream, %', ''] + ['N = %d' % count for count in every], rows) if rows else ''

    def plain(self, rows, keys):
        """A table with the rows of samples below each other, peer by peer."""
        lines = [[row, self.titles[peer]] + [cell(self.values(row, peer, key)) for key, _ in keys]
                 for row in rows for peer in self.peers_of(row)]
        return table(['', ''] + [title for _, title in keys], lines) if lines else ''

    def rows_like(self, start):
        found = dict.fromkeys(sample['row'] for sample in self.samples if sample['row'].startswith(start))
        return list(found)

    def sections(self):
        yield 'Goals', self.goals()
        for row, title in (('publish', 'Publishing a file'), ('receive', 'Receiving'),
                           ('scale', 'Publishing many small files, 320x180 and 200 kbit/s')):
            yield title, self.load(row) + self.costs(row)
        yield 'Cost of one stream', self.flatness()
        for title, start, keys in PLAIN:
            yield title, self.load(start) + self.plain(self.rows_like(start), keys)

    def text(self):
        parts = ['# Benchmarks\n', *self.runs, self.about]
        if self.missing:
            parts.append('Missing in this run:\n\n' + ''.join('- %s\n' % line for line in self.missing))
        parts += ['## %s\n\n%s' % section for section in self.sections() if section[1]]
        return '\n'.join(parts)

    def plots(self):
        """Pairs of a file's name and its SVG."""
        series = list(self.titles.items())
        for row in ('publish', 'receive'):
            for key, title, unit in (('cpu', 'CPU', '% of a core'), ('pss', 'memory', 'MB'),
                                     ('syscalls', 'system calls', '1/s')):
                groups = {'N = %d' % count: {'n': count} for count in self.counts(row)}
                yield from self.plot('%s-%s.svg' % (row, key), '%s, %s' % (title, row), unit, series,
                                     {name: (row, key, fields) for name, fields in groups.items()})
        for start, key, name, title in (('join', 'first', 'join', 'From joining to the first frame'),
                                        ('latency', 'median', 'latency', 'One-way latency, median'),
                                        ('latency', '99th', 'latency-99th', 'One-way latency, 99th percentile')):
            rows = [row for row in self.rows_like(start) if not row.endswith('cold')]
            yield from self.plot(name + '.svg', title, 'ms', series,
                                 {row.split(', ', 1)[1]: (row, key, {}) for row in rows})

    def plot(self, file, title, unit, series, groups):
        values = {}
        for group, (row, key, fields) in groups.items():
            for peer, _ in series:
                found = [value for value in self.values(row, peer, key, **fields) if value is not None]
                if found:
                    values[group, peer] = spread(found)
        if values:
            yield file, plot.bars(title, unit, list(groups), series, values)

    def write(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        plots = dict(self.plots())
        for name, svg in plots.items():
            (folder / name).write_text(svg)
        pictures = '\n'.join('![%s](%s)' % (name[:-len('.svg')], name) for name in plots)
        profile = '\nWhere the time goes, and which goals are missed: [profile](profile.md).\n'
        (folder / 'README.md').write_text(self.text() + ('\n## Plots\n\n%s\n' % pictures if plots else '')
                                          + (profile if (folder / 'profile.md').exists() else ''))
        told = {'runs': self.runs, 'missing': self.missing, 'samples': self.samples}
        (folder / 'samples.json').write_text(json.dumps(told, indent=0) + '\n')
