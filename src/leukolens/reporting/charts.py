"""Small SVG charts, drawn from given numbers.

Each function gives one `<svg>` as text. Charts can be read in grey and by colour-blind people (palette of Okabe and Ito
2008). They are drawn narrow, so that their letters can be read on a telephone, and grow on a wide page.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

BLUE, ORANGE, GREEN, PURPLE, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#8a8f98"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, RED, "#56B4E9", "#B8A800", "#444444")
_DASHES = ("", "6 3", "2 3", "8 3 2 3")
_MOST_LINE_POINTS = 200
_NARROWEST_GRID_PX = 640  # a grid of images is scrolled on a screen narrower than this
_WIDTH = 420
_GROWTH = 1.35  # how much wider than drawn a chart is shown where there is room
_FONT = "font-family='system-ui,sans-serif' font-size='12'"


@dataclass(frozen=True)
class ShareBar:
    """One row of `draw_shares`, in percent.

    Attributes:
        name: Of the row.
        share: Value, and the ends of its interval.
        second: A second estimate and its interval; None without one.
        note: A warning in one word, such as `high`.
    """

    name: str
    share: tuple[float, float, float]
    second: tuple[float, float, float] | None = None
    note: str = ""


def draw_curves(series: Mapping[str, Sequence[float]], title: str, x_label: str, y_label: str) -> str:
    """Lines over 0, 1, 2...; values that are not finite are left out.

    Args:
        series: Values by name, in order.
        title: Shown on top and read out by screen readers.
        x_label: What the steps are.
        y_label: What the values are.
    """
    points = {
        name: [(float(index), value) for index, value in enumerate(values) if math.isfinite(value)]
        for name, values in series.items()
    }
    return draw_lines(points, title, x_label, y_label)


def draw_lines(
    points: Mapping[str, Sequence[tuple[float, float]]], title: str, x_label: str, y_label: str, diagonal: bool = False
) -> str:
    """Named lines through `(x, y)` points; `diagonal` adds a dashed line at y = x and axes from 0 to 1."""
    points = {name: _thin(line) for name, line in points.items()}
    every = [point for line in points.values() for point in line] or [(0.0, 0.0)]
    low_x, high_x = _round_range([x for x, _ in every], diagonal)
    low_y, high_y = _round_range([y for _, y in every], diagonal)
    width, height, left, top = _WIDTH, 290, 64, 34
    plot_width, plot_height = width - left - 16, height - top - 50

    def place(x: float, y: float) -> tuple[float, float]:
        return left + (x - low_x) / (high_x - low_x) * plot_width, top + (high_y - y) / (high_y - low_y) * plot_height

    body = [_axes((left, top, plot_width, plot_height), (low_x, high_x), (low_y, high_y), x_label, y_label)]
    if diagonal:
        (x0, y0), (x1, y1) = place(low_x, low_y), place(high_x, high_y)
        body.append(
            f"<line x1='{x0:.1f}' y1='{y0:.1f}' x2='{x1:.1f}' y2='{y1:.1f}' stroke='{GREY}' stroke-dasharray='4 4'/>"
        )
    for index, (_, line) in enumerate(points.items()):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line))
        colour, dash = PALETTE[index % len(PALETTE)], _DASHES[index // len(PALETTE) % len(_DASHES)]
        body.append(
            f"<polyline points='{path}' fill='none' stroke='{colour}' stroke-width='2' stroke-dasharray='{dash}'/>"
        )
        if len(line) <= 20:
            dots = (place(*point) for point in line)
            body += [f"<circle cx='{x:.1f}' cy='{y:.1f}' r='3' fill='{colour}'/>" for x, y in dots]
    legend, extra = _legend(list(points), left, height)
    return _frame(width, height + extra, title, "".join(body) + legend)


def _thin(line: Sequence[tuple[float, float]]) -> Sequence[tuple[float, float]]:
    """Every so many points and the last one, so that no line has many more points than pixels."""
    step = len(line) // _MOST_LINE_POINTS
    return line if step < 2 else [*line[::step], line[-1]]


def draw_bars(rows: Sequence[tuple[str, float, float, float]], title: str, x_label: str) -> str:
    """Horizontal bars with intervals: `(name, value, low, high)` in shares of one."""
    width, left, step = _WIDTH, 150, 28
    plot = width - left - 52
    height = 40 + step * len(rows) + 40
    body = []
    for index, (name, value, low, high) in enumerate(rows):
        y = 40 + step * index
        x0, x1 = left + low * plot, left + high * plot
        body.append(
            f"<text x='{left - 8}' y='{y + 13}' text-anchor='end'>{escape(name)}</text>"
            f"<rect x='{left}' y='{y}' width='{value * plot:.1f}' height='18' fill='{BLUE}' fill-opacity='.55'/>"
            f"<line x1='{x0:.1f}' x2='{x1:.1f}' y1='{y + 9}' y2='{y + 9}' stroke='#111' stroke-width='2'/>"
            f"<line x1='{x0:.1f}' x2='{x0:.1f}' y1='{y + 4}' y2='{y + 14}' stroke='#111' stroke-width='2'/>"
            f"<line x1='{x1:.1f}' x2='{x1:.1f}' y1='{y + 4}' y2='{y + 14}' stroke='#111' stroke-width='2'/>"
            f"<text x='{left + plot + 10}' y='{y + 13}'>{value:.3f}</text>"
        )
    base = 40 + step * len(rows)
    for tick in range(6):
        x = left + tick / 5 * plot
        body.append(f"<text x='{x:.1f}' y='{base + 16}' text-anchor='middle' fill='#555'>{tick / 5:.1f}</text>")
    body.append(f"<text x='{left + plot / 2:.1f}' y='{base + 34}' text-anchor='middle'>{escape(x_label)}</text>")
    return _frame(width, height, title, "".join(body))


def draw_shares(rows: Sequence[ShareBar], title: str, names: tuple[str, str]) -> str:
    """Shares in percent as bars, each with its interval, and a second estimate below it.

    Args:
        rows: From top to bottom.
        title: Shown on top.
        names: What the first and the second bar of each row are.
    """
    width, left, step, top = 360, 8, 50, 56
    ends = [bar[2] for row in rows for bar in (row.share, row.second) if bar is not None]
    # Steps of 20 points, so that charts of two smears are easy to compare.
    most = min(100.0, 20.0 * math.ceil(max([1.0, *ends]) / 20))
    plot, height = width - 2 * left, top + step * len(rows) + 24
    both = any(row.second is not None for row in rows)
    body = [_share_key(names if both else names[:1], left)]
    for tick in range(5):
        x = left + tick / 4 * plot
        anchor = ("start", "middle", "middle", "middle", "end")[tick]
        body.append(
            f"<line x1='{x:.1f}' x2='{x:.1f}' y1='{top}' y2='{height - 24}' stroke='#e3e5e8'/>"
            f"<text x='{x:.1f}' y='{height - 8}' text-anchor='{anchor}' fill='#4a525c'>{most * tick / 4:g} %</text>"
        )
    for index, row in enumerate(rows):
        y = top + step * index
        value, low, high = row.share
        weight = " font-weight='700' fill='#8c0019'" if row.note else ""
        note = f" {row.note.upper()}" if row.note else ""
        body.append(
            f"<text x='{left}' y='{y + 13}'{weight}>{escape(row.name + note)}</text>"
            f"<text x='{left + plot}' y='{y + 13}' text-anchor='end'><tspan font-weight='600'>{value:.1f} %</tspan> ({low:.1f} to {high:.1f})</text>"
        )
        body.append(_share_bar(row.share, (left, y + 19, plot / most, 13), BLUE, 0.6))
        if row.second is not None:
            body.append(_share_bar(row.second, (left, y + 34, plot / most, 9), ORANGE, 0.75))
    return _frame(width, height, title, "".join(body))


def _share_key(names: Sequence[str], left: float) -> str:
    parts, x = [], left
    for name, colour, opacity in zip(names, (BLUE, ORANGE), (0.6, 0.75), strict=False):
        parts.append(
            f"<rect x='{x:.0f}' y='28' width='12' height='12' fill='{colour}' fill-opacity='{opacity}'/>"
            f"<text x='{x + 17:.0f}' y='38'>{escape(name)}</text>"
        )
        x += 30 + 6.2 * len(name)
    return "".join(parts)


def _share_bar(
    share: tuple[float, float, float], place: tuple[float, float, float, float], colour: str, opacity: float
) -> str:
    left, y, px_per_percent, height = place
    x, x0, x1 = (left + max(0.0, min(value, 100.0)) * px_per_percent for value in share)
    middle = y + height / 2
    path = f"M{x0:.1f} {middle - 4:.1f}v8M{x0:.1f} {middle:.1f}H{x1:.1f}M{x1:.1f} {middle - 4:.1f}v8"
    return (
        f"<rect x='{left}' y='{y}' width='{x - left:.1f}' height='{height}' fill='{colour}' fill-opacity='{opacity}'/>"
        f"<path d='{path}' fill='none' stroke='#111' stroke-width='1.6'/>"
    )


def draw_matrix(labels: Sequence[str], counts: Sequence[Sequence[int]], title: str, percent: bool) -> str:
    """A confusion matrix: true classes in rows, predicted classes in columns; counts, or percent of each row."""
    cell, left, top = 42, 112, 118
    # The slanted name of the last column needs room on the right.
    width, height = left + cell * len(labels) + 64, top + cell * len(labels) + 12
    body = [f"<text x='{left + cell * len(labels) / 2}' y='44' text-anchor='middle' fill='#555'>predicted</text>"]
    for column, name in enumerate(labels):
        x = left + cell * column + cell / 2
        body.append(f"<text transform='translate({x + 4:.0f} {top - 8}) rotate(-40)'>{escape(_short(name))}</text>")
    for row, name in enumerate(labels):
        y = top + cell * row
        total = sum(counts[row])
        body.append(f"<text x='{left - 8}' y='{y + cell / 2 + 4}' text-anchor='end'>{escape(_short(name))}</text>")
        for column in range(len(labels)):
            count = counts[row][column]
            share = count / total if total else 0.0
            x = left + cell * column
            # The square root makes a few errors among thousands visible.
            strength = math.sqrt(share)
            colour = BLUE if row == column else RED
            ink = "#fff" if strength > 0.6 else "#111"
            text = (
                (f"{100 * share:.1f}".replace("100.0", "100") if count else "")
                if percent
                else (str(count) if count else "")
            )
            body.append(
                f"<rect x='{x}' y='{y}' width='{cell - 2}' height='{cell - 2}' fill='{colour}' fill-opacity='{strength:.3f}' stroke='#ddd'/>"
                f"<text x='{x + cell / 2 - 1}' y='{y + cell / 2 + 4}' text-anchor='middle' fill='{ink}'>{text}</text>"
            )
    return _frame(width, height, title, "".join(body))


def draw_counts(rows: Sequence[tuple[str, Sequence[int]]], names: Sequence[str], title: str, x_label: str) -> str:
    """Horizontal bars of whole numbers; each name is a panel with its own scale.

    Args:
        rows: `(label, one number per name)`.
        names: What the numbers of each panel are.
        title: Shown on top.
        x_label: Below.
    """
    width, left, step = _WIDTH, 150, 24
    panel = (width - left) / max(1, len(names))
    body = []
    for column, name in enumerate(names):
        x = left + panel * column
        most = max([values[column] for _, values in rows] or [1]) or 1
        body.append(f"<text x='{x:.0f}' y='42' fill='#555'>{escape(name)}</text>")
        for index, (_, values) in enumerate(rows):
            long = values[column] / most * (panel - 64)
            body.append(
                f"<rect x='{x:.1f}' y='{50 + step * index}' width='{long:.1f}' height='16' fill='{PALETTE[column]}' fill-opacity='.7'/>"
                f"<text x='{x + long + 5:.1f}' y='{63 + step * index}'>{values[column]}</text>"
            )
    for index, (label, _) in enumerate(rows):
        body.append(f"<text x='{left - 8}' y='{63 + step * index}' text-anchor='end'>{escape(label)}</text>")
    base = 50 + step * len(rows)
    body.append(f"<text x='{left}' y='{base + 16}' fill='#555'>{escape(x_label)}</text>")
    return _frame(width, base + 26, title, "".join(body))


def draw_points(
    points: Mapping[str, Sequence[tuple[float, float]]],
    title: str,
    x_label: str,
    y_label: str,
    levels: Sequence[tuple[str, float, float, float]] = (),
) -> str:
    """Named clouds of `(x, y)` points; give a few thousand at most, or the page becomes large.

    Args:
        points: By name.
        title: Shown on top.
        x_label: Below.
        y_label: At the left.
        levels: Horizontal lines `(name, y, low, high)`, each with a band from `low` to `high`.
    """
    every = [point for cloud in points.values() for point in cloud] or [(0.0, 0.0)]
    low_x, high_x = _even_range([x for x, _ in every])
    low_y, high_y = _even_range([y for _, y in every] + [y for _, *ys in levels for y in ys])
    width, height, left, top = _WIDTH, 310, 64, 34
    plot_width, plot_height = width - left - 16, height - top - 50
    body = [_axes((left, top, plot_width, plot_height), (low_x, high_x), (low_y, high_y), x_label, y_label)]
    for name, *ys in levels:
        line, bottom, roof = (top + (high_y - y) / (high_y - low_y) * plot_height for y in ys)
        body.append(
            f"<rect x='{left}' y='{roof:.1f}' width='{plot_width}' height='{bottom - roof:.1f}' fill='{ORANGE}' fill-opacity='.18'/>"
            f"<line x1='{left}' x2='{left + plot_width}' y1='{line:.1f}' y2='{line:.1f}' stroke='#111' stroke-dasharray='6 3'/>"
            f"<text x='{left + plot_width - 4}' y='{line - 4:.1f}' text-anchor='end'>{escape(name)} {ys[0]:+.1f}</text>"
        )
    for index, cloud in enumerate(points.values()):
        body.append(f"<g fill='{PALETTE[index % len(PALETTE)]}' fill-opacity='.5'>")
        for x, y in cloud:
            right = left + (x - low_x) / (high_x - low_x) * plot_width
            down = top + (high_y - y) / (high_y - low_y) * plot_height
            body.append(f"<circle cx='{right:.1f}' cy='{down:.1f}' r='2'/>")
        body.append("</g>")
    legend, extra = _legend(list(points), left, height)
    return _frame(width, height + extra, title, "".join(body) + legend)


def draw_grid(
    rows: Sequence[tuple[str, Sequence[str]]], columns: Sequence[str], title: str, cell: tuple[int, int]
) -> str:
    """Small images in rows and columns with names.

    Args:
        rows: `(name, data addresses of its images)`.
        columns: Name of each column; may be empty.
        title: Shown on top.
        cell: Width and height of an image in pixels.
    """
    cell_width, cell_height = cell
    left, top, gap = 130, 52 if columns else 30, 4
    most = max([len(images) for _, images in rows] or [0])
    width = left + most * (cell_width + gap) + 8
    height = top + len(rows) * (cell_height + gap) + 8
    body = []
    for column, name in enumerate(columns):
        body.append(f"<text x='{left + column * (cell_width + gap)}' y='{top - 8}' fill='#555'>{escape(name)}</text>")
    for index, (name, images) in enumerate(rows):
        y = top + index * (cell_height + gap)
        body.append(f"<text x='{left - 8}' y='{y + cell_height / 2}' text-anchor='end'>{escape(_short(name))}</text>")
        for column, address in enumerate(images):
            x = left + column * (cell_width + gap)
            body.append(
                f"<image x='{x}' y='{y}' width='{cell_width}' height='{cell_height}' href='{escape(address, quote=True)}'/>"
            )
    return _frame(width, height, title, "".join(body), growth=1, narrowest_px=min(width, _NARROWEST_GRID_PX))


def show_words(name: str) -> str:
    """A class or kind as readers see it: `red_cell` is shown as `red cell`."""
    return name.replace("_", " ")


def _short(name: str) -> str:
    return show_words(name).replace("immature granulocyte", "immature gran.")


def _round_range(values: Sequence[float], diagonal: bool) -> tuple[float, float]:
    if diagonal:
        return 0.0, 1.0
    low, high = min(values), max(values)
    if low >= 0 and (low < 0.5 * high or high == low):
        low = 0.0
    return low, high if high > low else low + 1.0


def _even_range(values: Sequence[float]) -> tuple[float, float]:
    """A range whose five steps are round numbers."""
    low, high = _round_range(values, False)
    power = 10.0 ** math.floor(math.log10((high - low) / 5))
    for step in (power * factor for factor in (1, 2, 2.5, 5, 10, 20)):
        start = math.floor(low / step) * step
        if start + 5 * step >= high:
            break
    return start, start + 5 * step


def _axes(
    frame: tuple[float, float, float, float],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    x_label: str,
    y_label: str,
) -> str:
    left, top, width, height = frame
    parts = []
    for tick in range(6):
        share = tick / 5
        y = top + height * (1 - share)
        x = left + width * share
        parts.append(
            f"<line x1='{left}' x2='{left + width}' y1='{y:.1f}' y2='{y:.1f}' stroke='#e3e5e8'/>"
            f"<text x='{left - 6}' y='{y + 4:.1f}' text-anchor='end' fill='#555'>{_number(y_range, share)}</text>"
            f"<text x='{x:.1f}' y='{top + height + 16:.1f}' text-anchor='middle' fill='#555'>{_number(x_range, share)}</text>"
        )
    parts.append(f"<text x='{left + width / 2}' y='{top + height + 34}' text-anchor='middle'>{escape(x_label)}</text>")
    middle = top + height / 2
    parts.append(f"<text transform='translate(12 {middle}) rotate(-90)' text-anchor='middle'>{escape(y_label)}</text>")
    return "".join(parts)


def _number(span: tuple[float, float], share: float) -> str:
    return f"{span[0] + (span[1] - span[0]) * share:.3g}"


def _legend(names: Sequence[str], left: float, top: float) -> tuple[str, int]:
    parts, x, y = [], left, top + 8
    for index, name in enumerate(names):
        need = 34 + 7 * len(name)
        if x + need > _WIDTH - 8:
            x, y = left, y + 20
        dash = _DASHES[index // len(PALETTE) % len(_DASHES)]
        parts.append(
            f"<line x1='{x:.0f}' x2='{x + 18:.0f}' y1='{y}' y2='{y}' stroke='{PALETTE[index % len(PALETTE)]}' stroke-width='3' stroke-dasharray='{dash}'/>"
            f"<text x='{x + 23:.0f}' y='{y + 4}'>{escape(name)}</text>"
        )
        x += need
    return "".join(parts), int(y - top) + 14


def _frame(width: float, height: float, title: str, body: str, growth: float = _GROWTH, narrowest_px: float = 0) -> str:
    label = escape(title, quote=True)
    narrowest = f"min-width:{narrowest_px:.0f}px;" if narrowest_px else ""
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:.0f} {height:.0f}' role='img' aria-label='{label}' "
        f"{_FONT} fill='#111' style='{narrowest}max-width:{growth * width:.0f}px;width:100%;height:auto'>"
        f"<rect width='100%' height='100%' fill='#fff'/><text x='8' y='18' font-weight='600' font-size='13'>{label}</text>{body}</svg>"
    )
