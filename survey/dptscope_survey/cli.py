"""The ``survey`` subcommand."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
import typer.main
from typer.core import TyperCommand

from dptscope.commands.options import ModelArgument, OutputOption, ProviderOption, SizeOption, SquareOption


def register(app: typer.Typer) -> None:
    """Add ``survey`` to the command."""
    app.command("survey", cls=_Survey, epilog="dptscope survey report DIR makes a page of what is in a folder.")(survey)


class _Survey(TyperCommand):
    """``dptscope survey report DIR`` is a command of its own; everything else is a survey."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        """Read the arguments."""
        if args[:1] != ["report"]:
            return super().make_context(info_name, args, parent, **extra)
        own = typer.Typer(add_completion=False, rich_markup_mode=self.rich_markup_mode)
        own.command("report")(report)
        return typer.main.get_command(own).make_context(f"{info_name} report", args[1:], parent, **extra)


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a survey.", show_default=False)],
) -> None:
    """Make a page of a survey, report.html, and its charts as PNG."""
    from dptscope.commands.extras import need_extra
    from dptscope.commands.options import print_each

    need_extra("survey report", "report")
    from dptscope_survey.report.page import write_report

    print_each(write_report(folder))


def survey(
    model: ModelArgument,
    photos: Annotated[
        list[Path],
        typer.Argument(
            metavar="FOLDER|LIST.txt|GLOB…", help="Folders of photos, lists of paths, patterns.", show_default=False
        ),
    ],
    output: OutputOption,
    size: SizeOption = None,
    square: SquareOption = False,
    fusion: Annotated[
        bool, typer.Option("--fusion", help="Also what becomes of the depth without each fusion block, or half of it.")
    ] = False,
    depth: Annotated[bool, typer.Option("--depth", help="Also statistics of the depth.")] = False,
    jobs: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Processes; chosen for the model by default.")
    ] = None,
    threads: Annotated[int | None, typer.Option(metavar="N", min=1, help="Threads of each process.")] = None,
    part: Annotated[
        str, typer.Option(metavar="K/N", help="Work on every N-th chunk from the K-th on; for batch systems.")
    ] = "1/1",
    again: Annotated[bool, typer.Option("--again", help="Ask once more about photos that failed.")] = False,
    backend: Annotated[str, typer.Option(metavar="loky|dask", help="Processes here, or a Dask cluster.")] = "loky",
    scheduler: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Of the Dask cluster's scheduler.", show_default=False)
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="parquet|jsonl",
            help="Of the tables; lines of JSON where pyarrow is not installed.",
            show_default=False,
        ),
    ] = None,
    provider: ProviderOption = None,
) -> None:
    """Ask the same of thousands of photos: norms and outliers of every block, as tables."""
    from dptscope.errors import DptscopeError
    from dptscope_survey.folder import FAILED, WHOLE, Part
    from dptscope_survey.photos import all_photos, counted, name_of
    from dptscope_survey.pool import check_installed
    from dptscope_survey.run import survey as run

    if backend not in ("loky", "dask") or (backend == "dask") != (scheduler is not None):
        raise DptscopeError(
            f"expected --backend loky, or --backend dask with --scheduler ADDRESS, got {backend} "
            f"{'without' if scheduler is None else 'with'} a scheduler"
        )
    check_installed(scheduler)
    chosen = Part.parse(part)
    done = run(
        model,
        all_photos(photos),
        output,
        size=size,
        square=square,
        fusion=fusion,
        depth=depth,
        providers=provider,
        jobs=jobs,
        threads=threads,
        part=chosen,
        again=again,
        scheduler=scheduler,
        file_format=_format(file_format),
    )
    asked, total = done.survey.photos_of(chosen), len(done.survey.photos)
    typer.echo(f"{output}: " + ("" if chosen == WHOLE else f"part {part}, {len(asked):,} of ") + counted(total))
    failed = done.failed().keys() & map(name_of, asked)
    if failed:
        raise DptscopeError(f"{len(failed):,} of {counted(len(asked))} were left out: {output / FAILED}")


def _format(wanted: str | None) -> str:
    """Raises:
    DptscopeError: an unknown format, or one that needs what is not installed.
    """
    from dptscope.commands.extras import missing_packages
    from dptscope.commands.failures import complain
    from dptscope.errors import DptscopeError

    missing = "pyarrow" in missing_packages("survey")
    if wanted not in (None, "parquet", "jsonl"):
        raise DptscopeError(f"expected --format parquet or jsonl, got {wanted}")
    if wanted == "parquet" and missing:
        raise DptscopeError("--format parquet needs pyarrow: pip install 'dptscope[survey]'")
    if wanted is None and missing:
        complain("note: pyarrow is not installed: lines of JSON in place of Parquet (pip install 'dptscope[survey]')")
    return wanted or ("jsonl" if missing else "parquet")
