"""Progress of long calls."""

from __future__ import annotations

from types import TracebackType
from typing import Any


class Bar:
    """A bar of tqdm, or nothing if it is not wanted or tqdm is not installed."""

    def __init__(self, wanted: bool, total: int | None = None) -> None:
        self._bar: Any = None
        self._before = 0
        self._of_chunk = 0
        if wanted:
            try:
                from tqdm.auto import tqdm
            except ImportError:
                return
            self._bar = tqdm(total=total, unit="photo")

    def tell(self, done: int, total: int) -> None:
        """Shows that so many photos of the present call are done, of so many."""
        if self._bar is None:
            return
        if self._bar.total is None and self._before == 0 and total > 0:
            self._bar.total = total
        self._of_chunk = done
        self._bar.update(self._before + done - self._bar.n)

    def begin_next(self) -> None:
        """Counts on from here in the next call."""
        self._before += self._of_chunk
        self._of_chunk = 0

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()
