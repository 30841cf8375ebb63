"""The cases a test class names become parameters of its tests."""

import pytest

pytest.register_assert_rewrite("source_contract")


def pytest_generate_tests(metafunc):
    cases = getattr(metafunc.cls, "CASES", None)
    if cases is not None and "case" in metafunc.fixturenames:
        metafunc.parametrize("case", list(cases), scope="class")
