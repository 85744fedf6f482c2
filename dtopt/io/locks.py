"""Who writes a file: advisory locks of the operating system, which end with their process however it ends.

A small file beside (``.NAME.lock``; in a folder ``.lock``) is locked and tells people who it is; it is removed at the
end, and one that a kill left behind locks nothing. Where the system or the file system knows no such locks, there is
no protection, and nothing else changes.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import platform
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Self

from dtopt.errors import InputError

try:
    import fcntl
except ImportError:  # pragma: no cover - not on Unix
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from types import TracebackType

__all__ = ["WriteLock"]

#: How long to wait for a process that is just opening or closing the same file, s.
_PATIENCE_S = 2.0
_TAKEN = frozenset({errno.EACCES, errno.EAGAIN})
#: The first byte tells that a process is there; each part that it claims is one of those after it.
_PRESENCE, _PARTS = 0, 1


class WriteLock:
    """Says that this process writes a file or folder, until it is closed or the process ends.

    Parameters
    ----------
    path : path
        What is written: a file, whether it exists or not, or a folder that exists.
    shared : bool
        Whether other processes of this machine may write too, each the parts that it has got by `claim`. Of other
        machines none may: what lets processes share a file works within one.
    merge : str
        What to do where other machines are to write too.

    Raises
    ------
    InputError
        If another process writes it; the line says which, and since when.
    """

    def __init__(self, path: str | os.PathLike[str], *, shared: bool = False, merge: str = "") -> None:
        self.path, self._shared, self._merge = Path(path), shared, merge
        folder = self.path.is_dir()
        self._file = self.path / ".lock" if folder else self.path.with_name(f".{self.path.name}.lock")
        self._claimed: set[str] = set()
        self._descriptor = self._open() if fcntl is not None else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def claim(self, part: str) -> bool:
        """Return whether this process is now the one that writes a part of the file, such as a run by its key."""
        if part not in self._claimed:
            if self._descriptor is not None and not _lock(self._descriptor, _byte(part)):
                return False
            self._claimed.add(part)
        return True

    def release(self, part: str) -> None:
        """Give a part back."""
        if part in self._claimed:
            self._claimed.discard(part)
            if self._descriptor is not None:
                fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, _byte(part))

    def close(self) -> None:
        """Give everything back."""
        if self._descriptor is None:
            return
        descriptor, self._descriptor = self._descriptor, None
        # Only the last one takes the file away: others hold the first byte.
        with suppress(OSError):
            if _lock(descriptor, _PRESENCE):
                self._file.unlink(missing_ok=True)
        os.close(descriptor)

    def _open(self) -> int | None:
        end = time.monotonic() + _PATIENCE_S
        while True:
            try:
                descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT, 0o666)
            except OSError as error:
                raise InputError(f"cannot be written: {error.strerror or error}", where=str(self.path)) from None
            kept = False
            try:
                if taken := self._take(descriptor):
                    # One that ends takes the file away at any time: then it is made anew.
                    kept = _is_named(descriptor, self._file)
                    if kept:
                        self._greet(descriptor, alone=taken == "alone")
                        return descriptor
                owner = _owner(descriptor)
            except InputError:
                kept = False
                raise
            except OSError:
                # No locks here.
                return None
            finally:
                if not kept:
                    os.close(descriptor)
            # One that has just been opened has not said yet who it is.
            if not taken and ((owner and not self._shared) or time.monotonic() > end):
                raise InputError(f"is being written by {_told(owner)}", where=str(self.path), mend=self._mend)
            time.sleep(0.02)

    @property
    def _mend(self) -> str:
        return f"wait for it, or name another {'folder' if self.path.is_dir() else 'file'}"

    def _take(self, descriptor: int) -> str:
        """Lock the first byte, and return ``alone``, ``shared`` or nothing where others have it."""
        if _lock(descriptor, _PRESENCE):
            return "alone"
        return "shared" if self._shared and _lock(descriptor, _PRESENCE, shared=True) else ""

    def _greet(self, descriptor: int, *, alone: bool) -> None:
        """Say who this is, or hear who is there already."""
        if alone:
            _sign(descriptor)
            if self._shared:
                _lock(descriptor, _PRESENCE, shared=True)
            return
        owner = _owner(descriptor)
        if owner and owner["host"] != platform.node():
            raise InputError(
                f"is being written by {_told(owner)}", where=str(self.path), mend=self._merge or self._mend
            )


def _is_named(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False


def _lock(descriptor: int, byte: int, *, shared: bool = False) -> bool:
    """Lock one byte, which need not be in the file, and return whether it was free."""
    try:
        fcntl.lockf(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB, 1, byte)
    except OSError as error:
        if error.errno in _TAKEN:
            return False
        raise
    return True


def _byte(part: str) -> int:
    # Two parts on one byte would only be done one after the other.
    return _PARTS + (int.from_bytes(hashlib.sha256(part.encode()).digest()[:7]) >> 2)


def _sign(descriptor: int) -> None:
    """Write who this is, for people; a full disk is no hindrance."""
    now = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    owner = {"process": os.getpid(), "host": platform.node(), "since": now}
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, json.dumps(owner).encode() + b"\n", 0)


def _owner(descriptor: int) -> dict[str, str]:
    with suppress(OSError, ValueError, TypeError, KeyError):
        owner = json.loads(os.pread(descriptor, 4096, 0))
        return {key: str(owner[key]) for key in ("process", "host", "since")}
    return {}


def _told(owner: dict[str, str]) -> str:
    if not owner:
        return "another process"
    where = "" if owner["host"] == platform.node() else f" on {owner['host']}"
    return f"process {owner['process']}{where} since {owner['since']}"
