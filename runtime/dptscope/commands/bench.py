"""``dptscope bench``: how fast an exported model is on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from dptscope.commands.options import JsonOption, ModelArgument, ThreadsOption


def bench(
    model: ModelArgument,
    size: Annotated[
        int | None, typer.Option(metavar="N", help="Pixels a side of the model's input; its native size by default.")
    ] = None,
    rounds: Annotated[int, typer.Option(min=1, metavar="N", help="How often each is measured.")] = 5,
    threads: ThreadsOption = None,
    provider: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="onnxruntime execution provider, repeatable; by default all that are installed, side by side.",
            show_default=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how fast a model is on this machine: a photo, a slider's move, its preview."""
    from dptscope.commands.timing import measure_each, show, show_each

    measured = measure_each(
        model, size, rounds, threads, [provider] if provider else [(p,) for p in _that_start(model)]
    )
    if as_json:
        import json

        results = [bench.to_json() for bench in measured]
        typer.echo(json.dumps(results[0] if len(results) == 1 else results, indent=2))
    elif len(measured) == 1:
        show(measured[0])
    else:
        show_each(measured)


def _that_start(model: Path) -> list[str]:
    """The installed providers that can run the model; of others it is said why not."""
    from dptscope.commands.failures import complain
    from dptscope.errors import DptscopeError
    from dptscope.model import load
    from dptscope.session import DEFAULT_PROVIDERS, installed_providers

    found = []
    for name in installed_providers():
        if name not in DEFAULT_PROVIDERS:  # what the CPU's cannot, is an error as ever
            try:
                load(model, name)
            except DptscopeError as error:
                complain(f"{name} is left out: {error}")
                continue
        found.append(name)
    return found
