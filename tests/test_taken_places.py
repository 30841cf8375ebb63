"""What is nobody's to replace: with --overwrite too, only what is of the kind that is written, as it was written."""

import os
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
import zarr
from small_runs import A, a_file, along, files, fit

import dnmf


def a_directory(place):
    place.mkdir()
    a_file(place / "data.txt")
    return place


def a_matrix(place):
    zarr.create_array(place, data=A, chunks=(20, 8))
    return place


def a_link(place):
    fit(None).transform(A, out=place.with_name("linked.zarr"))
    place.symlink_to(place.with_name("linked.zarr"))
    return place


def W_of_a_run(place):
    return fit(place).stored_W.path


def a_run(place):
    return fit(place).path


def a_path(place):
    return along(place).path


def a_model_of_a_path(place):
    return next(iter(along(place).models.values())).path


def a_result(place):
    fit(None).transform(A, out=place)
    return place


def a_conversion(place):
    np.save(place.with_name("a.npy"), A)
    dnmf.convert(place.with_name("a.npy"), place)
    return place


def an_anndata(place):
    zarr.open_group(place, attributes={"encoding-type": "anndata", "encoding-version": "0.1.0"}).create_array(
        "X", data=A
    )
    return place


def one_without_a_mark(place):
    a_conversion(place)
    zarr.open_group(place).attrs.pop("dnmf_written")
    return place


def convert(out, **options):
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder) / "new.npy", A)
        return dnmf.convert(Path(folder) / "new.npy", out, **options)


TAKEN = {
    "fit": (fit, (a_file, a_directory, a_matrix, W_of_a_run, a_path, a_model_of_a_path)),
    "path": (along, (a_file, a_directory, a_matrix, a_run)),
    "transform": (
        lambda out, **options: fit(None).transform(A, out=out, **options),
        (a_file, a_directory, a_matrix, a_link, W_of_a_run, a_run, a_conversion),
    ),
    "convert": (convert, (a_file, a_directory, a_matrix, a_link, a_run, a_result, an_anndata, one_without_a_mark)),
}


@pytest.mark.broad(1)
@pytest.mark.parametrize("door", TAKEN)
def test_what_is_nothing_of_its_kind_is_never_deleted(tmp_path, door):
    write, kinds = TAKEN[door]
    for kind in kinds:
        folder = tmp_path / kind.__name__
        folder.mkdir()
        place = kind(folder / "out")
        before = files(folder)
        with pytest.raises(dnmf.DnmfError, match=place.name):
            write(place, overwrite=True)
        assert files(folder) == before, kind


def a_note_in(*parts):
    def add(out):
        for place in out.glob("/".join(parts)) if parts else (out,):
            a_file(place / "mine.txt")

    return add


def a_folder(out):
    (out / "keep").mkdir()


def a_layer(out):
    zarr.open_group(out).create_array("layers/mine", data=A)


def an_attribute(out):
    zarr.open(out).attrs["mine"] = 1


def other_values(out):
    zarr.open_array(out / "X")[:] = 0


def a_chunk_gone(out):
    next(out.glob("X/c/*/*")).unlink()


def a_folder_like_a_model(out):
    a_directory(out / "strength-0.1-seed-7.dnmf")


GROWN = {
    "convert": (a_note_in(), a_note_in("X", "c"), a_folder, a_layer, an_attribute, other_values, a_chunk_gone),
    "transform": (a_note_in(), a_note_in("c", "*"), a_folder, an_attribute),
    "fit": (a_note_in("W-*"), a_note_in("W-*", "c"), a_note_in("gen-*")),
    "path": (
        a_note_in("strength-0.1-*"),
        a_note_in("strength-0.1-*", "W-*"),
        a_note_in("gen-*"),
        a_folder_like_a_model,
    ),
}


@pytest.mark.broad(1)
@pytest.mark.parametrize("door", GROWN)
def test_what_somebody_put_into_it_or_changed_in_it_is_never_deleted(tmp_path, door):
    write, additions = TAKEN[door][0], GROWN[door]
    write(tmp_path / "clean")
    for number, add in enumerate(additions):
        out = tmp_path / str(number)
        shutil.copytree(tmp_path / "clean", out)
        write(out, overwrite=True)
        add(out)
        before = sorted(out.rglob("*")), files(out)
        with pytest.raises(dnmf.DnmfError, match=rf"{out}.*(remove it yourself: rm -r|move it elsewhere first)"):
            write(out, overwrite=True)
        assert (sorted(out.rglob("*")), files(out)) == before


@pytest.mark.broad(1)
@pytest.mark.parametrize("door", TAKEN)
def test_what_the_system_or_a_write_that_was_cut_off_leaves_is_in_nobodys_way(tmp_path, door):
    out = tmp_path / "out"
    TAKEN[door][0](out)
    for folder in [out, *(place for place in out.rglob("*") if place.is_dir())]:
        for name in (".DS_Store", ".nfs00b3", f"0.{'5a' * 16}.partial"):
            (folder / name).write_bytes(b"")
    TAKEN[door][0](out, overwrite=True)


@pytest.mark.broad(1)
@pytest.mark.parametrize("door", TAKEN)
def test_an_empty_directory_is_as_good_as_none(tmp_path, door):
    for options in ({}, {"overwrite": True}):
        out = tmp_path / f"out{len(options)}"
        out.mkdir()
        TAKEN[door][0](out, **options)
        assert os.listdir(out)


def test_a_conversion_in_format_2_may_be_overwritten_too(tmp_path):
    out = tmp_path / "out.zarr"
    for version in (2, 3, 2):
        convert(out, zarr_format=version, overwrite=True)
    a_note_in()(out)
    with pytest.raises(dnmf.InputError, match=r"holds mine\.txt, which dnmf convert did not write"):
        convert(out, overwrite=True)


def test_what_lies_beside_the_parts_of_a_run_stays(tmp_path):
    store = tmp_path / "run.dnmf"
    fit(store)
    a_note_in()(store)
    a_folder(store)
    fit(store, seed=1, overwrite=True)
    assert (store / "mine.txt").read_text() == "precious"
    assert (store / "keep").is_dir()
