"""`deca assets list`, `verify` and `path`: what is stored, told without waiting for PyTorch."""

from __future__ import annotations

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from deca.conversion.asset import KINDS
from deca.io.asset_records import AssetRecord, assets_folder
from deca.io.assets import asset_files, list_assets, stored_file, verify_assets

# Details that a line of their own tells, or nobody reads.
_UNTOLD = ("licence", "source", "parts")


def show_assets(console: Console) -> None:
    """A table of what is stored; raises AssetError where a record cannot be understood."""
    records = list_assets()
    if not records:
        tell(console, f"no assets in {escape(str(assets_folder()))}; add files with `deca assets add PATH`")
        return
    table = Table(box=box.ROUNDED, show_lines=True)
    table.add_column("name", no_wrap=True)
    table.add_column("MB", justify="right", no_wrap=True)
    table.add_column("what it is, the file it was made of, its licence, that file's SHA-256", overflow="fold")
    for record in records:
        path = stored_file(record)
        size = f"{path.stat().st_size / 1e6:.1f}" if path.is_file() else "[red]gone[/]"
        lines = (
            description(record),
            f"{record.source}, added {record.added[:10]}",
            record.licence,
            f"[dim]{record.source_sha256}[/]",
        )
        name = f"[bold]{escape(record.name)}[/]{' (head)' if record.kind == 'head' else ''}"
        table.add_row(name, size, "\n".join([*map(escape, lines[:3]), lines[3]]))
    tell(console, f"assets in {escape(str(assets_folder()))}")
    console.print(table)


def verify(console: Console) -> int:
    """Hash every stored file again and tell of each; returns how many are not as they were stored."""
    verdicts = verify_assets()
    for verdict in verdicts:
        found = f"[red]failed[/] {escape(verdict.problem)}" if verdict.problem else "[green]as stored[/]"
        tell(console, f"{'head ' if verdict.is_head else ''}{escape(verdict.name)}: {found}")
    wrong = sum(1 for verdict in verdicts if verdict.problem)
    tell(console, f"{len(verdicts) - wrong} of {len(verdicts)} are as they were stored")
    return wrong


def show_path(name: str | None) -> None:
    """Print the folder of the assets, or the files of one, for other programs."""
    for path in [assets_folder()] if name is None else asset_files(name):
        print(path)


def description(record: AssetRecord) -> str:
    """What an asset is, in words."""
    told = [f"{key} {value}" for key, value in record.details.items() if key not in _UNTOLD]
    kind = KINDS[record.kind].description
    return f"{kind} ({', '.join(told)})" if told else kind


def tell(console: Console, line: str) -> None:
    """Print one line, in rich's markup, and let the terminal break it."""
    console.print(line, highlight=False, soft_wrap=True)
