"""A fit of several starts that was killed goes on with all of them."""

import pytest
from doomed import run_to_its_death

import dnmf
from dnmf.fitting.events import PassDone

FIT = {"rank": 4, "init": "random", "seed": 3, "tol": 0.0, "max_passes": 6, "restarts": 3}
DRIVER = f"""
def listen(event):
    if type(event).__name__ == "PassDone" and event.record.number == int(moment):
        die_in_the_next_pass()

dnmf.fit(source, **{FIT}, store=store, callbacks=(listen,))
"""

pytestmark = [pytest.mark.usefixtures("many_groups"), pytest.mark.slow]


@pytest.mark.parametrize("after_pass", [2, 5], ids=["in a pass of all", "in the last one"])
def test_killed_in_mid_pass_and_resumed_in_process_or_on_workers(dense_store, bits, client, tmp_path, after_pass):
    expected = bits(dnmf.fit(dense_store, **FIT))
    run_to_its_death(DRIVER, dense_store, tmp_path / "run.dnmf", "", after_pass)
    events = []
    assert bits(dnmf.resume(tmp_path / "run.dnmf", client=client, callbacks=[events.append])) == expected
    numbers = [event.record.number for event in events if isinstance(event, PassDone)]
    assert numbers == list(range(after_pass + 1, 7))
