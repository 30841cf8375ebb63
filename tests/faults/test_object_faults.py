"""Object storage that loses answers, lags behind or keeps no conditions; a run killed at every request."""

import pickle
import socket
import warnings

import numpy as np
import pytest

pytest.importorskip("obstore")

import obstore
from faulty_buckets import (
    CarelessBucket,
    CountingBucket,
    LaggingBucket,
    LosingBucket,
    MemoryBucket,
    WatchedBucket,
    on,
    run_in,
)
from store_contract import Stopped, assert_is, at, commit, generations, stop, write

import dnmf
from dnmf.checkpoint import CheckpointWarning, Store, exists, leases, read_latest
from dnmf.errors import CheckpointError, InputError
from dnmf.fitting.events import PassDone
from dnmf.inspection import run_status
from dnmf.places import ObjectPlace, UnansweredError, below, trouble_with
from dnmf.places.buckets import answered

A = np.random.default_rng(0).random((60, 8), dtype=np.float32)
PUTS = 7  # of a store that is opened and committed to: the lock, the pointer; three arrays, the manifest, the pointer
FIT = {"rank": 2, "init": "random", "tol": 0.0, "max_passes": 3}


@pytest.fixture
def place():
    return run_in(MemoryBucket())


@pytest.fixture
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error", CheckpointWarning)
        yield


@pytest.fixture
def no_leases(monkeypatch):
    """Whoever comes takes the lock, as if the holder were dead."""
    monkeypatch.setattr(leases, "LEASE_S", 0.0)


# ---- answers that are lost ----


@pytest.mark.usefixtures("no_warning")
@pytest.mark.parametrize("position", range(PUTS))
def test_a_write_whose_answer_was_lost_counts_when_it_is_tried_again(place, position):
    commit(place, 1, 2)
    commit(on(LosingBucket(place.bucket.store, position, tried_again=True), place), 3)
    assert_is(read_latest(place), 3)
    assert len(generations(place)) == 2


@pytest.mark.usefixtures("no_warning", "no_leases")
@pytest.mark.parametrize("position", range(PUTS))
def test_after_a_write_of_which_nobody_knows_a_commit_is_done_or_an_error_and_the_next_one_goes_on(place, position):
    commit(place, 1, 2)
    losing = on(LosingBucket(place.bucket.store, position, tried_again=False), place)
    try:
        with Store(losing) as store:
            try:
                write(store, 3)
            except CheckpointError as error:
                assert "check the address and the network" in str(error)  # noqa: PT017
                assert read_latest(place).number in (2, 3)
            write(store, 4)
            assert_is(read_latest(place), 4)
    except CheckpointError:  # it could not be opened
        assert_is(read_latest(place), 2)
    assert_is(read_latest(commit(place, 5)), 5)


# ---- listings that lag behind ----


@pytest.mark.usefixtures("no_warning", "no_leases")
@pytest.mark.parametrize("lag", [1, 3, 1000])
def test_a_listing_that_lacks_new_objects_and_has_removed_ones_hides_no_commit(place, lag):
    late = on(LaggingBucket(place.bucket.store, lag), place)
    for number in range(1, 6):
        commit(late, number)
        assert exists(late)
        assert_is(read_latest(late), number)


# ---- servers without conditions ----


def test_a_server_that_keeps_no_conditions_is_refused_before_anything_is_written():
    place = run_in(CarelessBucket())
    with pytest.raises(CheckpointError, match="does not keep the conditions of a write"):
        dnmf.fit(A, **FIT, store=place)
    assert place.bucket.listed("") == []


# ---- whole fits ----


def same(model, other):
    pairs = (model.read_W(), other.read_W()), (model.d, other.d), (model.H, other.H)
    return all(np.array_equal(one, two) for one, two in pairs)


@pytest.mark.slow
def test_a_fit_into_a_bucket_has_the_bits_of_one_in_a_directory(place, tmp_path):
    expected = dnmf.fit(A, **FIT, store=tmp_path / "run.dnmf")
    model = dnmf.fit(A, **FIT, store=place)
    assert same(model, expected)
    assert same(dnmf.load(place), expected)
    assert model.path == place
    names = {about["path"].removeprefix(f"{place.key}/").partition("/")[0] for about in place.bucket.listed("")}
    assert names == {"CURRENT", "LOCK", model.W_name, *generations(place)}
    assert run_status(place)["status"] == "done"
    with pytest.raises(CheckpointError, match="holds a run already"):
        dnmf.fit(A, **FIT, store=place)
    again = dnmf.fit(A, **{**FIT, "rank": 3}, store=place, overwrite=True)
    assert again.rank == dnmf.load(place).rank == 3


@pytest.mark.slow
def test_a_run_that_is_copied_from_a_bucket_to_a_disk_and_back_is_a_run(place, tmp_path):
    model = dnmf.fit(A, **FIT, store=place)
    for part, size in below(place):
        if size is not None:
            (tmp_path / "run.dnmf" / part).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / "run.dnmf" / part).write_bytes((place / part).read_bytes())
    on_disk = dnmf.resume(tmp_path / "run.dnmf", max_passes=5, source=A)
    back = ObjectPlace(place.bucket, "back.dnmf")
    for part, size in below(tmp_path / "run.dnmf"):
        if size is not None:
            (back / part).write_bytes((tmp_path / "run.dnmf" / part).read_bytes())
    assert same(dnmf.load(back), on_disk)
    assert same(dnmf.resume(place, max_passes=5, source=A), on_disk)
    assert len(on_disk.history) > len(model.history)


def test_a_commit_of_a_fit_takes_eighteen_requests():
    place, counts = run_in(CountingBucket()), {}

    def note(event):
        if isinstance(event, PassDone):
            counts[event.record.number] = place.bucket.count

    dnmf.fit(A, **{**FIT, "max_passes": 6}, store=place, callbacks=(note,))
    assert counts[5] - counts[4] == counts[4] - counts[3] == 18


@pytest.mark.slow
@pytest.mark.usefixtures("no_warning", "no_leases")
def test_a_fit_killed_at_every_request_goes_on_to_the_same_bits():
    seen, bucket = [], MemoryBucket()
    expected = dnmf.fit(A, **FIT, store=run_in(WatchedBucket(bucket.store, seen.append)))
    assert len(seen) > 40
    for position in range(len(seen)):
        store = MemoryBucket().store
        with pytest.raises(Stopped):
            dnmf.fit(A, **FIT, store=run_in(WatchedBucket(store, at(position, stop))))
        whole = run_in(MemoryBucket(store))
        model = dnmf.fit(A, **FIT, store=whole, resume="auto")
        assert same(model, expected)
        assert (whole / model.W_name).is_dir()


@pytest.mark.slow
@pytest.mark.usefixtures("no_leases")
@pytest.mark.filterwarnings("ignore::dnmf.checkpoint.CheckpointWarning")  # an old generation cannot be removed yet
def test_without_an_answer_to_one_request_a_fit_is_done_or_ends_in_one_sentence_and_goes_on():
    bucket = CountingBucket()
    expected, ends = dnmf.fit(A, **FIT, store=run_in(bucket)), []
    for position in range(0, bucket.count, 2):
        silent = CountingBucket()
        silent.unanswered = position
        try:
            ends.append(same(dnmf.fit(A, **FIT, store=run_in(silent)), expected))
        except CheckpointError as error:
            ends.append("try again" in str(error) or "for W cannot be made here" in str(error))
        whole = run_in(MemoryBucket(silent.store))
        assert same(dnmf.fit(A, **FIT, store=whole, resume="auto"), expected)
    assert all(ends)
    assert len(ends) > 50


def test_names_of_rows_and_columns_come_back_from_a_bucket(place):
    names = {"row_names": [f"cell {i}" for i in range(60)], "column_names": list("abcdefgh")}
    dnmf.fit(A, **FIT, store=place, **names)
    model = dnmf.load(place)
    assert (list(model.row_names), list(model.column_names)) == tuple(names.values())
    source = dnmf.open_source(A, row_names=names["row_names"])
    assert list(model.solve(source, out=place.parent / "T.zarr").row_names()) == names["row_names"]


@pytest.mark.slow
def test_a_path_into_a_bucket_is_gone_on_with_where_it_was_killed(place):
    asked = {"rank": 2, "penalty": dnmf.Penalty(l1=1.0), "strengths": [0, 0.1], "measures": "cheap", "max_passes": 2}
    seen = []
    found = dnmf.path(A, **asked, store=on(WatchedBucket(MemoryBucket().store, seen.append), place))
    killed = on(WatchedBucket(place.bucket.store, at(len(seen) // 2, stop)), place)
    with pytest.raises(Stopped):
        dnmf.path(A, **asked, store=killed)
    for about in place.bucket.listed(""):
        if about["path"].endswith("/LOCK"):
            lock = ObjectPlace(place.bucket, about["path"])
            lock.write_bytes(lock.read_bytes().replace(b'"turn"', b'"released": true, "turn"'))
    resumed = dnmf.path(A, **asked, store=place, resume="auto")
    assert all(same(resumed.model(strength), found.model(strength)) for strength in (0, 0.1))
    assert dnmf.load_path(place).strengths == (0.0, 0.1)


@pytest.mark.slow
def test_results_in_a_bucket_are_whole_or_absent(place, tmp_path):
    model = dnmf.fit(A, **FIT)
    expected, out = model.solve(A), ObjectPlace(place.bucket, "results/T.zarr")
    seen = []
    model.solve(A, out=on(WatchedBucket(MemoryBucket().store, seen.append), out))
    for position in range(len(seen) - 1):
        killed = ObjectPlace(WatchedBucket(MemoryBucket().store, at(position, stop)), out.key)
        with pytest.raises(Stopped):
            model.solve(A, out=killed)
        assert not (killed / "zarr.json").exists()
    np.testing.assert_array_equal(model.solve(A, out=out)[:], expected)
    with pytest.raises(CheckpointError, match="exists already"):
        model.solve(A, out=out)
    np.testing.assert_array_equal(model.solve(A[:9], out=out, overwrite=True)[:], expected[:9])
    assert {about["path"].partition("/")[0] for about in place.bucket.listed("results")} == {"results"}
    np.save(tmp_path / "a.npy", A)
    target = ObjectPlace(place.bucket, "data/a.zarr")
    report = dnmf.convert(tmp_path / "a.npy", target)
    assert report.bytes_written == sum(about["size"] for about in place.bucket.listed("data"))
    with pytest.raises(InputError, match="exists already"):
        dnmf.convert(tmp_path / "a.npy", target)
    dnmf.convert(tmp_path / "a.npy", target, overwrite=True)
    (target / "mine").write_bytes(b"mine")
    with pytest.raises(InputError, match="holds mine, which dnmf convert did not write"):
        dnmf.convert(tmp_path / "a.npy", target, overwrite=True)


# ---- what is said, and what is not ----


def test_options_are_shown_nowhere_and_go_with_the_place():
    place = dnmf.place("s3://bucket/run.dnmf", {"key": "who", "secret": "hidden", "endpoint_url": "http://127.0.0.1:9"})
    assert "hidden" not in f"{place} {place!r} {place.bucket!r} {place.parent!r} {place / 'a'!r}"
    assert pickle.loads(pickle.dumps(place)).bucket._options["secret"] == "hidden"
    with pytest.raises(
        InputError, match="it cannot be opened .* check the environment and the storage_options"
    ) as refused:
        dnmf.load(dnmf.place("s3://bucket/run.dnmf", {"no_such_option": "hidden"}))
    assert "hidden" not in str(refused.value)


AZURE = "Generic MicrosoftAzure error: Error performing list request: Error performing GET {} - Server returned {}"


@pytest.mark.parametrize(
    ("answer", "kind", "told"),
    [
        ("non-2xx status code: 403 Forbidden: <?xml", PermissionError, "not permitted"),
        ("non-2xx status code: 401 Unauthorized: <?xml", PermissionError, "not permitted"),
        ("non-2xx status code: 404 Not Found: <?xml", FileNotFoundError, "there is no bucket of that name"),
        ("non-2xx status code: 400 Bad Request: <?xml", UnansweredError, "non-2xx status code: 400 Bad Request"),
    ],
)
def test_what_a_list_of_azure_is_refused_for_is_told(answer, kind, told):
    from obstore.exceptions import GenericError

    with pytest.raises(kind) as refused, answered("az://bucket"):
        raise GenericError(AZURE.format("http://host/account/bucket", answer))
    assert told in str(refused.value)
    assert "xml" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["s3://bucket", "s3://bucket/", "s3://bucket/a/../b", "s3://bucket/a//b", "https://b/a"]
)
def test_an_address_that_names_no_place_is_refused(url):
    with pytest.raises(InputError, match=r"s3://BUCKET/NAME"):
        dnmf.place(url)


@pytest.mark.parametrize("odd", ["\\", "\t", "\n", "\x00", "\x7f", "\udc80"])
def test_a_name_that_cannot_be_written_is_refused_before_a_fit(odd):
    with pytest.raises(InputError, match=r"may not have '.+' in it; choose another") as refused:
        dnmf.fit(A, **FIT, store=f"s3://bucket/my{odd}run.dnmf")
    assert str(refused.value).isprintable()


def test_a_server_that_does_not_answer_is_said_in_one_sentence():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        options = {"key": "x", "secret": "hidden", "endpoint_url": f"http://127.0.0.1:{free.getsockname()[1]}"}
        with pytest.raises(CheckpointError, match="check the address and the network") as refused:
            dnmf.fit(A, **FIT, store=dnmf.place("s3://bucket/run.dnmf", options))
    assert "\n" not in str(refused.value)
    assert "hidden" not in str(refused.value)


def refusing(kind, told="The operation lacked something: Error performing PUT http://host/a in 7.2ms"):
    def refuse(*given, **how):
        raise kind(f"{told}\n\nDebug source:")

    return refuse


@pytest.mark.parametrize("kind", ["PermissionDeniedError", "UnauthenticatedError"])
def test_who_has_no_keys_is_told_about_keys_and_not_about_directories(place, monkeypatch, kind):
    monkeypatch.setattr(obstore, "put", refusing(getattr(obstore.exceptions, kind)))
    place.bucket.conditions_kept = True
    with pytest.raises(CheckpointError, match=r"not permitted; check the keys, what they allow") as refused:
        Store(place)
    assert "director" not in str(refused.value)
    assert trouble_with(place).startswith(f"{place}/.dnmf-")
    assert "check the keys" in trouble_with(place)


def test_keys_that_may_read_but_not_write_are_told_what_they_may_not(place, monkeypatch):
    monkeypatch.setattr(obstore, "put", refusing(obstore.exceptions.PermissionDeniedError))
    monkeypatch.setattr(obstore, "delete", refusing(obstore.exceptions.GenericError))
    with pytest.raises(
        CheckpointError, match=rf"{place} cannot take a run: .*: not permitted; check the keys, what they"
    ):
        dnmf.fit(A, **FIT, store=place)


def test_keys_that_may_not_remove_are_told_so_before_a_fit(place, monkeypatch):
    refused = "DeleteObjects request failed for key a: Access Denied (code: AccessDenied)"
    monkeypatch.setattr(obstore, "delete", refusing(obstore.exceptions.GenericError, refused))
    with pytest.raises(
        CheckpointError, match=rf"{place} cannot take a run: .*: not permitted; check the keys, what they"
    ):
        dnmf.fit(A, **FIT, store=place)


def test_one_who_was_told_to_send_no_conditions_is_refused_as_a_server_without_them(place, monkeypatch):
    monkeypatch.setattr(obstore, "put", refusing(NotImplementedError))  # as for AWS_CONDITIONAL_PUT=disabled
    with pytest.raises(CheckpointError, match="does not keep the conditions of a write"):
        dnmf.fit(A, **FIT, store=place)


@pytest.mark.parametrize(
    ("kind", "advice"),
    [("PermissionDeniedError", "not permitted; check the keys"), ("GenericError", "check the address and the network")],
)
def test_a_W_that_cannot_be_asked_for_is_not_said_to_be_damaged(place, monkeypatch, kind, advice):
    model = dnmf.fit(A, **FIT, store=place)
    monkeypatch.setattr(obstore, "head_async", refusing(getattr(obstore.exceptions, kind)))
    for read in (model.read_W, lambda: dnmf.load(place)):
        with pytest.raises(CheckpointError, match=rf"cannot be read: {place}/W-.*/c/0/0: .*{advice}") as refused:
            read()
        assert "\n" not in str(refused.value)
        assert "damaged" not in str(refused.value)
