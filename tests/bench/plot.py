# SPDX-License-Identifier: LGPL-2.1-or-later
"""Bars as SVG: groups side by side, a bar for each series, its value on top, and a line from the least to the most."""

import math
from xml.sax.saxutils import escape

COLOURS = {'ours': '#2563eb', 'go': '#0f9d78', 'go-single': '#7bc8a4', 'crate': '#d9622b', 'floor': '#6b7280',
           'reading': '#b8bec8', 'chromium': '#a855c7'}
BAR, GAP, LEFT, TOP, HEIGHT, BOTTOM, LEGEND = 44, 28, 56, 44, 240, 36, 22
LETTER = 6.5


def ticks(most):
    """Round steps, four or so of them."""
    power = 10 ** math.floor(math.log10(most / 4))
    step = next(power * factor for factor in (1, 2, 5, 10) if most / (power * factor) <= 5)
    return [step * i for i in range(int(most / step) + 2)]


def text(x, y, words, anchor='middle', size=12, weight='normal'):
    return ('<text x="%.1f" y="%.1f" text-anchor="%s" font-size="%d" font-weight="%s">%s</text>'
            % (x, y, anchor, size, weight, escape(words)))


def shown(value):
    return '%.0f' % value if value >= 100 else '%.3g' % value


def bar(x, value, least, most, scale, colour):
    """One bar; returns its elements."""
    base, height = TOP + HEIGHT, value * scale
    middle = x + BAR / 2
    return [
        '<rect x="%.1f" y="%.1f" width="%d" height="%.1f" fill="%s"/>' % (
            x + 2, base - height, BAR - 4, height, colour),
        '<line x1="%.1f" x2="%.1f" y1="%.1f" y2="%.1f" stroke="#111827"/>' % (
            middle, middle, base - least * scale, base - most * scale),
        text(middle, base - most * scale - 5, shown(value), size=11)]


def bars(title, unit, groups, series, values):
    """The SVG. `values` has (median, least, most) by (group, series key); `series` are pairs of a key and its title."""
    present = [pair for pair in series if any((group, pair[0]) in values for group in groups)]
    most = max(value[2] for value in values.values()) * 1.08
    top = ticks(most)[-1]
    scale = HEIGHT / top
    widths = {group: max(BAR * sum((group, key) in values for key, _ in present), LETTER * len(group))
              for group in groups}
    width = max(LEFT + sum(widths.values()) + GAP * (len(groups) + 1), 420)
    height = TOP + HEIGHT + BOTTOM + LEGEND * len(present)
    parts = [text(LEFT, 22, '%s (%s)' % (title, unit), 'start', 15, 'bold')]
    for tick in ticks(most):
        y = TOP + HEIGHT - tick * scale
        parts.append('<line x1="%d" x2="%d" y1="%.1f" y2="%.1f" stroke="#e5e7eb"/>' % (LEFT, width - 8, y, y))
        parts.append(text(LEFT - 6, y + 4, '%g' % tick, 'end', 11))
    x = LEFT + GAP / 2
    for group in groups:
        keys = [key for key, _ in present if (group, key) in values]
        first = x + (widths[group] - BAR * len(keys)) / 2
        for number, key in enumerate(keys):
            parts += bar(first + BAR * number, *values[group, key], scale, COLOURS[key])
        parts.append(text(x + widths[group] / 2, TOP + HEIGHT + 18, group))
        x += widths[group] + GAP
    for number, (key, name) in enumerate(present):
        y = TOP + HEIGHT + BOTTOM + LEGEND * number
        parts.append('<rect x="%d" y="%d" width="12" height="12" fill="%s"/>' % (LEFT, y, COLOURS[key]))
        parts.append(text(LEFT + 18, y + 11, name, 'start'))
    return ('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d" '
            'font-family="sans-serif" fill="#111827">\n'
            '<rect width="100%%" height="100%%" fill="#ffffff"/>\n%s\n</svg>\n'
            % (width, height, width, height, '\n'.join(parts)))
