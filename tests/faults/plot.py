#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Draws a run through a link that became too small: rates and the link's queue, over time.

    python3 tests/faults/plot.py BUILD/fault-logs/bandwidth-adapts/run.json docs/bandwidth-adapts.svg [TITLE]
"""

import argparse
import json
import math
import pathlib
from xml.sax.saxutils import escape

WIDTH, LEFT, RIGHT = 860, 62, 20
BEFORE_S, AFTER_S = 5, 1
TARGET, SENT, LINK, QUEUE, GRID, TEXT = '#1f6fb4', '#d9730d', '#b3261e', '#5b4a9e', '#dddddd', '#333333'


class Panel:
    """A pair of axes; x is seconds since the limit."""

    def __init__(self, name, top, height, span, most, step, unit):
        self.name, self.top, self.height, self.span, self.most = name, top, height, span, most
        self.parts = ['<clipPath id="%s"><rect x="%d" y="%d" width="%d" height="%d"/></clipPath>' % (
            name, LEFT, top, WIDTH - LEFT - RIGHT, height)]
        for value in range(0, most + 1, step):
            self.parts += [rule(LEFT, self.y(value), WIDTH - RIGHT, self.y(value), GRID),
                           label(LEFT - 6, self.y(value) + 4, value, 'end')]
        for second in range(math.ceil(span[0] / 5) * 5, int(span[1]) + 1, 5):
            self.parts.append(rule(self.x(second), top, self.x(second), top + height, GRID))
        self.parts.append(label(LEFT, top - 8, unit, 'start'))

    def x(self, second):
        start, end = self.span
        return LEFT + (second - start) / (end - start) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        return self.top + self.height * (1 - value / self.most)

    def seconds(self):
        """The numbers below the axis."""
        for second in range(math.ceil(self.span[0] / 5) * 5, int(self.span[1]) + 1, 5):
            self.parts.append(label(self.x(second), self.top + self.height + 16, '%d s' % second, 'middle'))

    def line(self, points, colour, more=''):
        text = ' '.join('%.1f,%.1f' % (self.x(at), self.y(min(value, 2 * self.most))) for at, value in points)
        style = 'clip-path="url(#%s)" fill="none" stroke="%s" stroke-width="1.5"%s' % (self.name, colour, more)
        self.parts.append('<polyline %s points="%s"/>' % (style, text))

    def legend(self, entries):
        at = WIDTH - RIGHT - 110 * len(entries)
        for text, colour in entries:
            self.parts += ['<line x1="%d" y1="%d" x2="%d" y2="%d" stroke="%s" stroke-width="3"/>' % (
                at, self.top - 12, at + 18, self.top - 12, colour), label(at + 24, self.top - 8, text, 'start')]
            at += 110


def rule(x1, y1, x2, y2, colour):
    return '<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s"/>' % (x1, y1, x2, y2, colour)


def label(x, y, text, anchor):
    return '<text x="%.1f" y="%.1f" text-anchor="%s">%s</text>' % (x, y, anchor, escape(str(text)))


def round_up(value, step):
    return max(step, math.ceil(value / step) * step)


def draw(run, title):
    limit, wide, kbit = run['limit'], run['wide'] - run['limit'], run['kbit']
    rows = [(at - limit, target, sent) for at, target, sent in run['rows'] if at - limit >= -BEFORE_S]
    queue = [(at - limit, delay) for at, delay in run['queue']]
    span = (-BEFORE_S, rows[-1][0] + AFTER_S)
    rates = Panel('rates', 64, 230, span, round_up(max(sent for _, _, sent in rows) * 1.1, 500), 500, 'kbit/s')
    rates.line([(0, 2 * rates.most), (0, kbit), (wide, kbit), (wide, 2 * rates.most)], LINK, ' stroke-dasharray="5 3"')
    rates.line([(at, sent) for at, _, sent in rows], SENT)
    rates.line([(at, target) for at, target, _ in rows], TARGET)
    rates.legend([('target', TARGET), ('sent', SENT), ('the link takes', LINK)])
    delays = Panel('delays', 336, 110, span, round_up(max(delay for _, delay in queue), 50), 50, 'ms in the queue')
    delays.line(queue, QUEUE)
    delays.seconds()
    return '\n'.join([
        '<?xml version="1.0" encoding="UTF-8"?>', '<!-- SPDX-License-Identifier: LGPL-2.1-or-later -->',
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d 474" font-family="sans-serif" font-size="12" '
        'fill="%s">' % (WIDTH, TEXT),
        '<rect width="100%" height="100%" fill="white"/>',
        '<text x="%d" y="24" font-size="15">%s</text>' % (LEFT, escape(title)), *rates.parts, *delays.parts,
        '</svg>', ''])


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('run', type=pathlib.Path)
    parser.add_argument('picture', type=pathlib.Path)
    parser.add_argument('title', nargs='?', default='')
    options = parser.parse_args()
    run = json.loads(options.run.read_text())
    title = options.title or '%s: a link of %g Mbit/s for %.0f s' % (
        options.run.resolve().parent.name, run['kbit'] / 1000, run['wide'] - run['limit'])
    options.picture.write_text(draw(run, title), encoding='utf-8')


if __name__ == '__main__':
    main()
