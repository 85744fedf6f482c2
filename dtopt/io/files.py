"""Bytes in and out: strict JSON, npz archives, atomic writing, and one clear line for whatever goes wrong."""

from __future__ import annotations

import json
import re
import secrets
import zipfile
import zlib
from contextlib import suppress
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from dtopt.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import BinaryIO

    import numpy.typing as npt

__all__ = ["HEADER", "load_json", "load_npz", "parse_json", "save_json", "save_npz", "write_text"]

#: The member of an npz archive that holds all that is not an array, as JSON.
HEADER = "header"


def _os_error(error: OSError, path: Path, verb: str) -> InputError:
    return InputError(f"cannot be {verb}: {error.strerror or error}", where=str(path))


def load_json(path: Path) -> dict[str, Any]:
    """Return the object in a JSON file.

    Raises
    ------
    InputError
        If the file cannot be read, is not UTF-8, not JSON (with line and column), holds NaN, infinities or a key
        twice, or is no object.
    """
    try:
        raw = path.read_bytes()
    except OSError as error:
        raise _os_error(error, path, "read") from None
    if not raw.strip():
        raise InputError("is empty", where=str(path))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"is not UTF-8 text (byte {error.start})", where=str(path), mend="save it as UTF-8") from None
    return parse_json(text)


def parse_json(text: str) -> dict[str, Any]:
    """Return the object in a JSON text; see `load_json`."""

    def constant(name: str) -> NoReturn:
        found = re.search(rf'(?<![\w"]){re.escape(name)}(?![\w"])', text)
        line = text.count("\n", 0, found.start()) + 1 if found else 1
        raise InputError(f"line {line} holds {name}, which is not JSON", mend="use null for no deadline or no limit")

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            keys = [key for key, _ in pairs]
            twice = next(key for key in keys if keys.count(key) > 1)
            raise InputError("is given twice in one object", where=twice)
        return result

    try:
        document = json.loads(text, parse_constant=constant, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        what = f"is not valid JSON: {error.msg.removesuffix(' at')} at line {error.lineno}, column {error.colno}"
        raise InputError(what, mend=_json_mend(error, text)) from None
    except RecursionError:
        raise InputError("is nested too deeply") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError("holds a number with too many digits") from None
    if not isinstance(document, dict):
        raise InputError("must be a JSON object", mend="it starts with { and ends with }")
    return document


def _json_mend(error: json.JSONDecodeError, text: str) -> str | None:
    """Return what is often wrong where a text is no JSON."""
    before, after = text[: error.pos].rstrip(), text[error.pos :].lstrip(", \t\r\n")
    # Python 3.13 points at the comma, earlier ones at the bracket after it.
    if after[:1] in ("}", "]") and (before.endswith(",") or text[error.pos] == ","):
        return "there is a comma after the last entry"
    if error.msg.startswith("Unterminated string") or error.pos >= len(text.rstrip()) - 1:
        return "the file may be cut off"
    if after.startswith("'"):
        return "names and texts are in double quotes"
    return "JSON has no comments" if after.startswith(("//", "#", "/*")) else None


def load_npz(path: Path, *, bare: bool = False) -> tuple[dict[str, Any], dict[str, npt.NDArray[Any]]]:
    """Return the header and the arrays of an npz archive; with `bare` the header may be absent, and is empty then.

    Raises
    ------
    InputError
        If the file cannot be read, is no whole archive, or holds anything but plain arrays.
    """
    arrays: dict[str, npt.NDArray[Any]] = {}
    try:
        with path.open("rb") as stream:
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise InputError("is a single array, not an npz archive")
            for name in archive.files:
                try:
                    arrays[name] = archive[name]
                except Exception as error:  # zip, zlib and NumPy raise some ten kinds for damaged members
                    raise InputError(f"cannot be read: {_first_line(error)}", where=name) from None
    except InputError:
        raise
    except OSError as error:
        raise _os_error(error, path, "read") from None
    except (ValueError, EOFError, KeyError, NotImplementedError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"is not a whole npz archive: {_first_line(error)}", mend="it may be cut off") from None
    header = arrays.pop(HEADER, None)
    if bare and header is None:
        return {}, arrays
    if header is None or header.dtype.kind != "U" or header.ndim:
        raise InputError("is missing or not a text", where=HEADER)
    return parse_json(str(header)), arrays


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).partition("\n")[0]


def save_json(document: Mapping[str, Any], path: Path) -> None:
    """Write a document as JSON with a line for each entry of a long list, so that people and diffs can read it."""
    write_text(_dump(document), path)


def write_text(text: str, path: Path) -> None:
    """Write a text as UTF-8; an existing file is replaced in one step or not at all."""
    # Names from a file system may hold bytes that are no text.
    _atomically(path, lambda stream: stream.write(text.encode(errors="backslashreplace")))


def save_npz(header: Mapping[str, Any], arrays: Mapping[str, npt.NDArray[Any]], path: Path) -> None:
    """Write an npz archive, not compressed, so that it is read fast."""
    text = np.array(json.dumps(header, allow_nan=False))
    _atomically(path, lambda stream: np.savez(stream, allow_pickle=False, **{HEADER: text}, **arrays))


def _dump(document: Mapping[str, Any]) -> str:
    lines = []
    for key, value in document.items():
        rows = isinstance(value, list) and value and isinstance(value[0], (list, dict))
        if rows:
            body = "[\n    " + ",\n    ".join(_compact(row) for row in value) + "\n  ]"
        elif isinstance(value, dict) and any(
            isinstance(v, list) and v and isinstance(v[0], list) for v in value.values()
        ):
            inner = []
            for name, item in value.items():
                matrix = isinstance(item, list) and item and isinstance(item[0], list)
                text = "[\n      " + ",\n      ".join(map(_compact, item)) + "\n    ]" if matrix else _compact(item)
                inner.append(f"    {json.dumps(name)}: {text}")
            body = "{\n" + ",\n".join(inner) + "\n  }"
        else:
            body = _compact(value)
        lines.append(f"  {json.dumps(key)}: {body}")
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _compact(value: object) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False)


def _atomically(path: Path, fill: Callable[[BinaryIO], object]) -> None:
    """Write beside the file and rename, so that no reader ever sees half a file."""
    # Not by the process's number: jobs in containers, which share a folder, often have the same.
    # Only the start of the file's name, so that a name of the greatest length can be written.
    beside = path.with_name(f".{path.name[:40]}.{secrets.token_hex(4)}.tmp")
    try:
        with beside.open("wb") as stream:
            fill(stream)
        beside.replace(path)
    except OSError as error:
        raise _os_error(error, path, "written") from None
    finally:
        with suppress(OSError):
            beside.unlink(missing_ok=True)
