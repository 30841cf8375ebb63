"""What the C library keeps of freed memory, as far as a plan has to know."""

import numpy as np
import psutil
import pytest

from dnmf.passes.allocator import MOST_KEPT_BYTES as MOST
from dnmf.passes.allocator import give_back_freed, kept_when_freed

MIB = 2**20


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        (None, MOST),
        ("65536", 65536),
        (str(2**40), MOST),
        ("", MOST),
        ("no", MOST),
    ],
)
def test_no_more_is_counted_than_the_variable_lets_the_library_keep(monkeypatch, setting, expected):
    if setting is None:
        monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    else:
        monkeypatch.setenv("MALLOC_TRIM_THRESHOLD_", setting)
    assert kept_when_freed() == expected


def test_freed_memory_goes_back_to_the_system():
    arrays = [np.ones(10_000) for _ in range(2000)]  # 160 MB in pieces that no library maps by themselves
    full = psutil.Process().memory_info().rss
    del arrays
    give_back_freed()
    assert psutil.Process().memory_info().rss < full - 100 * MIB
