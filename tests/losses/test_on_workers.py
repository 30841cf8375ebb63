"""A loss of one's own on a cluster: workers have to know it, and say so where they do not."""

import dask.array as da
import numpy as np
import pytest

import dnmf
from dnmf.losses import Loss, register
from dnmf.losses.table import _LOSSES


@pytest.fixture
def halved():
    class Halved(Loss):
        name = "halved"

        def value(self, a, y):
            return 0.25 * np.square(a.astype(np.float64) - y)

        def weights(self, a, y):
            return 0.5 * (a - y), np.full_like(y, 0.5)

    yield register(Halved())
    _LOSSES.pop("halved")


def forget(name):
    from dnmf.losses.table import _LOSSES

    _LOSSES.pop(name, None)


@pytest.mark.slow
def test_a_loss_that_workers_do_not_know_is_told_with_the_way_to_tell_them(client, halved):
    data = da.from_array(np.random.default_rng(0).random((90, 12)), chunks=(30, 12))
    told = r"worker tcp://\S+ does not know loss='halved'; register it on the workers too: client.run\("
    with pytest.raises(dnmf.ClusterError, match=told):
        dnmf.fit(data, 2, loss="halved", client=client, max_passes=2)
    client.run(register, halved)
    found = dnmf.fit(data, 2, loss="halved", client=client, max_passes=2)
    client.run(forget, "halved")
    assert found.H.tobytes() == dnmf.fit(data, 2, loss="halved", max_passes=2).H.tobytes()
