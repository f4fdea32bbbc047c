"""What an evaluation leaves behind: a table, JSON, CSV, curves, and a page with pictures."""

from __future__ import annotations

import csv
import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from rich.console import Console
from rich.table import Table

from deca.apps.errors import output_error
from deca.apps.evaluation_outcomes import Evaluation, image_figures
from deca.evaluation.published import FENG, NOW, REALY, Published
from deca.evaluation.statistics import Summary, cumulative_curve
from deca.io.files import whole_file

Pictures = Mapping[str, Sequence[np.ndarray]]
"""Of an image by its name: the scan, its errors, the prediction."""
# Of the curves: millimetres to the right end.
_FARTHEST = 7.0
_SHOWN_WARNINGS = 12


def show(evaluation: Evaluation, console: Console) -> None:
    """Print the table, and what is missing, wrong or odd."""
    console.print(_realy_table(evaluation) if "realy" in evaluation.about else _distance_table(evaluation))
    if evaluation.missing:
        console.print(
            f"{len(evaluation.missing)} without a prediction: {_few(evaluation.missing)}", style="yellow"
        )
    for each in evaluation.failed:
        console.print(f"{each.image}: {each.error}", style="red", highlight=False)
    odd = [f"{each.image}: {said}" for each in evaluation.measured for said in each.warnings]
    for line in odd[:_SHOWN_WARNINGS]:
        console.print(line, style="yellow", highlight=False)
    if len(odd) > _SHOWN_WARNINGS:
        console.print(f"and {len(odd) - _SHOWN_WARNINGS} more; the JSON has them all", style="yellow")


def _distance_table(evaluation: Evaluation) -> Table:
    table = Table(title=evaluation.protocol, title_justify="left")
    for name in ("", "median, mm", "mean, mm", "std, mm", "images"):
        table.add_column(name, justify="left" if not name else "right")
    for group in evaluation.groups:
        table.add_row(group, *_row(evaluation.summary(group)), str(len(evaluation.distances(group))))
    if evaluation.measured:
        table.add_section()
        table.add_row("all", *_row(evaluation.summary()), str(len(evaluation.measured)), style="bold")
    return table


def _realy_table(evaluation: Evaluation) -> Table:
    """Means over predictions, as the benchmark reports them."""
    table = Table(title="REALY: errors of predictions, mm", title_justify="left")
    for name in ("", "mean", "median", "std"):
        table.add_column(name, justify="left" if not name else "right")
    for row in _realy_rows(evaluation):
        table.add_row(*row)
    return table


def _row(summary: Summary) -> tuple[str, str, str]:
    return f"{summary.median:.4f}", f"{summary.mean:.4f}", f"{summary.deviation:.4f}"


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def write_json(evaluation: Evaluation, path: Path) -> None:
    """Every figure; the file appears whole or not at all."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(path) as temporary:
            temporary.write_text(json.dumps(evaluation.figures(), indent=1) + "\n")
    except OSError as error:
        raise output_error(path.parent, error) from None


def write_report(evaluation: Evaluation, folder: Path, pictures: Pictures) -> None:
    """figures.json, images.csv, curve.png, curve.svg, and index.html that shows them with some heat maps."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_json(evaluation, folder / "figures.json")
        _write_csv(evaluation, folder / "images.csv")
        if evaluation.measured:
            _draw_curve(evaluation, folder)
        names = {}
        for number, (image, panels) in enumerate(pictures.items()):
            name = f"heat_{number:02}.png"
            with whole_file(folder / name) as temporary:
                Image.fromarray(np.concatenate(list(panels), 1)).save(temporary, "PNG")
            names[image] = name
        with whole_file(folder / "index.html") as temporary:
            temporary.write_text(_page(evaluation, names), encoding="utf-8")
    except OSError as error:
        raise output_error(folder, error) from None


def best_and_worst(evaluation: Evaluation, count: int) -> list[str]:
    """The images with the least and the largest median, best first."""
    ranked = sorted(
        evaluation.measured,
        key=lambda each: float(np.median(each.distances)) if each.distances is not None else 0,
    )
    names = [each.image for each in ranked]
    return names if len(names) <= 2 * count else names[:count] + names[-count:]


def _write_csv(evaluation: Evaluation, path: Path) -> None:
    rows = [image_figures(each) for each in evaluation.measured]
    columns = list(dict.fromkeys(name for row in rows for name in row if name != "warnings"))
    with whole_file(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [*(columns or ["image", "group"]), "warnings", "error"])
        writer.writeheader()
        for row in rows:
            writer.writerow(row | {"warnings": "; ".join(row["warnings"])})
        for each in evaluation.outcomes:
            if each.error is not None:
                writer.writerow({"image": each.image, "group": each.group, "error": each.error})


def _published(evaluation: Evaluation) -> dict[str, Published]:
    if evaluation.benchmark == "now" and not evaluation.about.get("metrical"):
        return NOW
    return FENG if evaluation.benchmark == "feng" else {}


def _draw_curve(evaluation: Evaluation, folder: Path) -> None:
    # The drawing library is an extra, and slow to import.
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    # Text stays text, and the same run gives the same file.
    with pyplot.rc_context({"svg.fonttype": "none", "svg.hashsalt": "deca", "font.size": 10}):
        figure, axes = pyplot.subplots(figsize=(8, 5), layout="constrained")
        places = np.linspace(0, _FARTHEST, 701)
        groups = evaluation.groups if len(evaluation.groups) > 1 else []
        for group in groups:
            curve = cumulative_curve(np.concatenate(evaluation.distances(group)), places)
            axes.plot(places, curve, linewidth=1, alpha=0.7, label=group)
        everything = np.concatenate(evaluation.distances())
        name = f"{evaluation.about.get('name', 'all')}, median {np.median(everything):.2f}"
        axes.plot(places, cumulative_curve(everything, places), color="black", linewidth=2, label=name)
        for number, (method, published) in enumerate(_published(evaluation).items()):
            colour = f"C{number % 10}"
            axes.plot(published.median, 50, "o", markersize=5, color=colour)
            axes.text(4.2, 44 - 4.6 * number, f"{method}: {published.median:.2f}", color=colour, fontsize=9)
        if _published(evaluation):
            axes.text(4.2, 49, "published medians, test set", fontsize=9)
        axes.set(xlim=(0, _FARTHEST), ylim=(0, 100), xlabel="distance, mm", ylabel="vertices within it, %")
        axes.set_title(evaluation.protocol)
        axes.grid(alpha=0.3)
        axes.legend(loc="upper right", bbox_to_anchor=(1.0, 0.86), fontsize=8)
        for suffix in ("png", "svg"):
            with whole_file(folder / f"curve.{suffix}") as temporary:
                metadata = {"Date": None} if suffix == "svg" else None
                figure.savefig(temporary, format=suffix, dpi=120, metadata=metadata)
        pyplot.close(figure)


_STYLE = """body{font:15px/1.5 system-ui,sans-serif;max-width:1120px;margin:2em auto;padding:0 1em;color:#222}
table{border-collapse:collapse;margin:1em 0}td,th{padding:.25em .8em;
text-align:right;border-bottom:1px solid #ddd}
td:first-child,th:first-child{text-align:left}img{max-width:100%}.odd{color:#a15c00}.wrong{color:#b00020}
figure{margin:1.2em 0}figcaption{color:#555}"""


def _page(evaluation: Evaluation, pictures: Mapping[str, str]) -> str:
    told = html.escape
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{told(evaluation.protocol)}</title>"
        f"<meta name=viewport content='width=device-width'><style>{_STYLE}</style>"
        f"<h1>{told(evaluation.protocol)}: {told(str(evaluation.about.get('name', '')))}</h1>"
    ]
    if evaluation.measured:
        rows = [
            (group, evaluation.summary(group), len(evaluation.distances(group)))
            for group in evaluation.groups
        ]
        rows.append(("all", evaluation.summary(), len(evaluation.measured)))
        parts.append(
            _table(
                ("", "median, mm", "mean, mm", "std, mm", "images"),
                [(name, *_row(summary), str(count)) for name, summary, count in rows],
            )
        )
    parts.append(_realy(evaluation))
    published = _published(evaluation)
    if published:
        parts.append("<h2>Published, on the benchmark's hidden test set</h2>")
        parts.append(
            _table(
                ("method", "median", "mean", "std", "paper"),
                [
                    (name, f"{each.median:.2f}", f"{each.mean:.2f}", f"{each.deviation:.2f}", each.paper)
                    for name, each in published.items()
                ],
            )
        )
    if evaluation.measured:
        parts.append("<img src=curve.svg alt='Share of vertices within each distance'>")
    if evaluation.missing:
        parts.append(f"<h2>{len(evaluation.missing)} without a prediction</h2><ul>")
        parts += [f"<li>{told(name)}" for name in evaluation.missing]
        parts.append("</ul>")
    if evaluation.failed:
        parts.append(f"<h2>{len(evaluation.failed)} that could not be measured</h2><ul>")
        parts += [
            f"<li class=wrong>{told(each.image)}: {told(each.error or '')}" for each in evaluation.failed
        ]
        parts.append("</ul>")
    odd = [(each.image, said) for each in evaluation.measured for said in each.warnings]
    if odd:
        parts.append("<h2>Odd</h2><ul>")
        parts += [f"<li class=odd>{told(image)}: {told(said)}" for image, said in odd]
        parts.append("</ul>")
    if pictures:
        parts.append("<h2>Best and worst, by median</h2>")
        distances = {each.image: each.distances for each in evaluation.measured if each.distances is not None}
        for image, name in pictures.items():
            summary = Summary.of(distances[image])
            parts.append(
                f"<figure><img src={name} alt=''><figcaption>{told(image)}: median {summary.median:.2f} mm, "
                f"mean {summary.mean:.2f} mm. Scan, errors from 0 (dark) to 5 mm (bright), "
                "prediction.</figcaption></figure>"
            )
    return "\n".join(parts) + "\n"


def _realy(evaluation: Evaluation) -> str:
    if "realy" not in evaluation.about:
        return ""
    rows = _realy_rows(evaluation)
    rows += [
        (f"{name}, published: frontal / side", f"{front:.3f} / {side:.3f}", "", "")
        for name, (front, side) in REALY.items()
    ]
    return "<h2>Over predictions, as REALY reports it</h2>" + _table(("", "mean, mm", "median", "std"), rows)


def _realy_rows(evaluation: Evaluation) -> list[tuple[str, str, str, str]]:
    told = evaluation.about["realy"]
    rows = [
        (region, f"{each['mean_mm']:.3f}", f"{each['median_mm']:.3f}", f"{each['std_mm']:.3f}")
        for region, each in told.items()
        if isinstance(each, dict)
    ]
    if "all_mean_mm" in told:
        rows.append(("mean of the four", f"{told['all_mean_mm']:.3f}", "", ""))
    return rows


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = ["<tr>" + "".join(f"<th>{html.escape(cell)}" for cell in head)]
    lines += ["<tr>" + "".join(f"<td>{html.escape(cell)}" for cell in row) for row in rows]
    return "<table>" + "\n".join(lines) + "</table>"
