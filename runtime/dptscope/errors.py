"""The exceptions that dptscope raises on purpose."""

from __future__ import annotations


class DptscopeError(Exception):
    """Something the caller can put right. The message is one line: what was expected and what was got."""


class ModelFileError(DptscopeError):
    """A file is no dptscope model, is damaged, or does not belong to the other one."""


class ImageError(DptscopeError):
    """A photo cannot be read, or an array is not an image."""


class SizeError(DptscopeError):
    """A size that the model does not take."""


class ProviderError(DptscopeError):
    """An execution provider was asked for and is not there."""


def one_line(error: BaseException | str, most: int = 200) -> str:
    """Say in one line of at most so many characters what an error says; its kind, where it says nothing. Libraries say
    more, and quote files."""
    text = " ".join(str(error).split())[:most]
    return text or (type(error).__name__ if isinstance(error, BaseException) else "")
