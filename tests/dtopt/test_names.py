"""File names made from names: safe, short, different."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dtopt.io.names import LONGEST_STEM, file_stem, file_stems


@pytest.mark.parametrize(
    ("name", "stem"),
    [
        ("paper-100x10-s1.greedy", "paper-100x10-s1.greedy"),
        ("tiny (2).auto", "tiny_(2).auto"),
        ("Straße 1", "Straße_1"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("a\nb\0c\\d", "a_b_c_d"),
        ("nul", "_nul"),
        ("COM1.auto", "_COM1.auto"),
        ("console", "console"),
        ("-rf", "_-rf"),
        ("", "unnamed"),
        (" \n", "unnamed"),
    ],
)
def test_names_become_stems(name: str, stem: str) -> None:
    assert file_stem(name) == stem


def test_a_long_name_keeps_its_start_and_its_end() -> None:
    greedy, nearest = (file_stem("x" * 300 + f".{solver}") for solver in ("greedy", "nearest"))
    assert greedy != nearest
    assert greedy.startswith("xxx")
    assert greedy.endswith("x.greedy")
    assert len(greedy) == len(nearest) == LONGEST_STEM
    assert len(file_stem("\N{GREEK SMALL LETTER ALPHA}" * 300).encode()) <= LONGEST_STEM


def test_names_that_give_one_stem_are_told_apart_in_any_order() -> None:
    names = ["a/b.auto", "a b.auto", "A B.auto", "c.auto", "\N{ROCKET}", "\N{SUNRISE}"]
    stems = file_stems(names)
    assert stems[3] == "c.auto"
    assert len({stem.lower() for stem in stems}) == len(names)
    assert dict(zip(names[::-1], file_stems(names[::-1]), strict=True)) == dict(zip(names, stems, strict=True))


@given(st.lists(st.text(max_size=200), unique=True, max_size=8))
def test_every_name_gives_a_name_that_every_file_system_takes(names: list[str]) -> None:
    stems = file_stems(names)
    assert len({stem.casefold() for stem in stems}) == len(names)
    for stem in stems:
        assert 0 < len(stem.encode()) <= LONGEST_STEM
        assert not set(stem) & set('/\\:*?"<>| \n\0')
        assert stem[0] not in ".-"
        assert file_stem(stem) == stem or stem.partition(".")[0] == "_"
