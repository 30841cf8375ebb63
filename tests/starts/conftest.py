"""Starts are tested on small data, which stands for large data: it is not its own sample here."""

import pytest

from dnmf.starts import race


@pytest.fixture(autouse=True)
def no_data_is_small(monkeypatch):
    monkeypatch.setattr(race, "SMALL_BYTES", 0)
