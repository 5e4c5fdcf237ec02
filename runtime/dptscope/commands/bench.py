"""``dptscope bench``: how fast an exported model is on this machine."""

from __future__ import annotations

from typing import Annotated

import typer

from dptscope.commands.options import JsonOption, ModelArgument, ProviderOption, ThreadsOption


def bench(
    model: ModelArgument,
    size: Annotated[
        int | None, typer.Option(metavar="N", help="Pixels a side of the model's input; its native size by default.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="How often each is measured.")] = 5,
    threads: ThreadsOption = None,
    provider: ProviderOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how fast a model is on this machine: a photo, a slider's move, its preview."""
    from dptscope.commands.timing import measure, show

    measured = measure(model, size, rounds, threads, provider)
    if as_json:
        import json

        typer.echo(json.dumps(measured.to_json(), indent=2))
    else:
        show(measured)
