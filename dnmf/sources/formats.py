"""What a path holds, told by its content: one table of formats, how each is recognized, and what is done with it.

Whoever reads data and whoever converts it ask here, so both say the same of a path. A name decides only where the
content is damaged beyond recognition: then the reader of that format says what is wrong.
"""

import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from dnmf.errors import InputError
from dnmf.sources.contents import DECOMPRESS_WITH, Contents, array_in_archive, axes_of_npy, contents_of
from dnmf.sources.text_tables import call_of_pandas
from dnmf.sources.unfolded import PLANE

ZARR_METADATA = ("zarr.json", ".zgroup", ".zarray", ".zmetadata")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
OTHER_BYTE_ORDER_MARKS = (b"\xff\xfe", b"\xfe\xff")
SPARSE_IN_NPZ = {"csr": ("indptr", "indices"), "csc": ("indptr", "indices"), "coo": ("row", "col")}
JSON = re.compile(rb'\s*(\{\s*["}]|\[\s*[\[{"\d\-\]])')
SVMLIGHT = re.compile(rb"(\s*#[^\n]*\n)*\S+( qid:\d+)?( \d+:[-+.\deE]+)+ *(#[^\n]*)?(\r?\n|$)")


@dataclass(frozen=True)
class Format:
    """A kind of file or directory.

    Attributes
    ----------
    name : str
        What it is called in messages.
    recognized : callable
        Whether what can be seen of a path is of this kind.
    use : {"read", "convert", "neither"}
        Read in parts by path; by ``dnmf convert`` alone; by neither.
    way : str
        For the last: what to do instead, with ``{path}`` and ``{quoted}`` (the path as a shell reads it).
    suffixes : tuple of str
        Names of files of this kind, for those whose content is not recognized.
    more : callable
        What the command that converts it needs beside the two places, by what can be seen of the path.
    """

    name: str
    recognized: Callable[[Contents], bool]
    use: Literal["read", "convert", "neither"]
    way: str = ""
    suffixes: tuple[str, ...] = ()
    more: Callable[[Contents], str] = lambda _: ""


def _begins(*magics: bytes) -> Callable[[Contents], bool]:
    return lambda contents: contents.text.startswith(magics)


def _begins_text(*marks: bytes) -> Callable[[Contents], bool]:
    return lambda contents: contents.text.removeprefix(BYTE_ORDER_MARK).lstrip().lower().startswith(marks)


def is_zarr_directory(path: Path) -> bool:
    """Whether `path` is a directory that Zarr describes, whatever else is in it."""
    return any((path / name).is_file() for name in ZARR_METADATA)


def matrix_files(names: frozenset[str]) -> list[str]:
    """Return which of the files of a directory are called like the matrix of 10x Genomics."""
    return sorted(name for name in names if "matrix.mtx" in name.lower() and not name.startswith("."))


def _is_tenx_directory(contents: Contents) -> bool:
    return contents.is_directory and bool(matrix_files(contents.names))  # type: ignore[arg-type]


def _holds(*files: str) -> Callable[[Contents], bool]:
    return lambda contents: contents.is_directory and any(name in contents.names for name in files)  # type: ignore[operator]


def _is_run(contents: Contents) -> bool:
    names = contents.names if contents.is_directory else None
    return bool(names) and "CURRENT" in names and any(name.startswith("gen-") for name in names)  # type: ignore[union-attr,operator]


def _is_hdf5(contents: Contents) -> bool:
    """Whether the signature is at 0, 512, 1024, …, where a block of the user's may precede it."""
    signature = b"\x89HDF\r\n\x1a\n"
    return any(contents.head[at:].startswith(signature) for at in (0, 512, 1024, 2048))


def _is_matrix_market(contents: Contents) -> bool:
    return contents.text.removeprefix(BYTE_ORDER_MARK).lstrip().lower().startswith(b"%%matrixmarket")


def _in_zip(test: Callable[[frozenset[str]], bool]) -> Callable[[Contents], bool]:
    return lambda contents: bool(contents.head) and contents.names is not None and test(contents.names)


def _has_zarr_in_folder(names: frozenset[str]) -> bool:
    return any(name.endswith(tuple(f"/{metadata}" for metadata in ZARR_METADATA)) for name in names)


def _is_sparse_npz(names: frozenset[str]) -> bool:
    return {"format.npy", "shape.npy", "data.npy"} <= names and "fill_value.npy" not in names


def _is_npz_of_sparse(names: frozenset[str]) -> bool:
    """Whether an archive is of the package called sparse, whose parts are others than those of scipy."""
    parts = {"coords.npy"}, {"indptr.npy", "indices.npy", "compressed_axes.npy"}
    return {"data.npy", "shape.npy", "fill_value.npy"} <= names and any(each <= names for each in parts)


def _is_sparse_npz_of(kind: str) -> Callable[[Contents], bool]:
    """Whether an archive says that it is a matrix of scipy of this kind."""
    is_one = _in_zip(_is_sparse_npz)
    return lambda contents: is_one(contents) and array_in_archive(contents.path, "format") == kind


def _is_whole_npz(contents: Contents) -> bool:
    """Whether an archive holds all parts of a sparse matrix that is converted."""
    if not contents.head or contents.names is None:
        return False
    names = contents.names
    kinds = [kind for kind, parts in SPARSE_IN_NPZ.items() if {f"{part}.npy" for part in parts} <= names]
    return _is_npz_of_sparse(names) or any(_is_sparse_npz_of(kind)(contents) for kind in kinds)


def _is_text(contents: Contents) -> bool:
    text = contents.text.removeprefix(BYTE_ORDER_MARK)
    return bool(text) and not any(byte < 9 or 13 < byte < 27 for byte in text)


ALONG_LONGEST = " --row-axes longest"
TNS = (".tns", ".tns.gz", ".tns.bz2", ".tns.xz", ".tns.zst")
LONG_WAY = (
    "; where each line is an entry, dnmf convert makes a matrix of it, with --long user,item,rating: what its columns "
    "are called (or an array of more axes: --long user,item,month,plays --row-axes longest)"
)
TABLE_WAY = (
    "give it as a frame in Python, dnmf.fit({reading}, rank){remark}, or write it as a store for the command line, "
    "anndata.AnnData(frame).write_zarr('out.zarr')" + LONG_WAY
)
AS_ARRAY = "load it yourself and give its numbers to dnmf.fit as an array"
IN_R = "write it in R: Matrix::writeMM(matrix, 'matrix.mtx'), then dnmf convert matrix.mtx out.zarr"
FROM_PANDAS = "give the frame in Python: dnmf.fit(pandas.{reader}({{path!r}}), rank)"
UNZIP = "unzip it: python -m zipfile -e {quoted} ."
R_MAGICS = (b"RDX2\n", b"RDX3\n", b"RDA2\n", b"RDA3\n", b"X\n\x00\x00", b"A\n2\n", b"A\n3\n")
PICKLE_MAGICS = tuple(b"\x80" + bytes([protocol]) for protocol in range(2, 6))


def _refused(name: str, recognized: Callable[[Contents], bool], way: str) -> Format:
    return Format(name, recognized, "neither", way)


PARQUET = _refused("a Parquet file", _begins(b"PAR1"), FROM_PANDAS.format(reader="read_parquet") + LONG_WAY)
ZARR = Format("a Zarr store", lambda c: is_zarr_directory(c.path), "read")
ZIPPED_ZARR = Format("a Zarr store in a zip archive", _in_zip(lambda n: bool(n & set(ZARR_METADATA))), "read")
HDF5 = Format("an HDF5 file", _is_hdf5, "read", suffixes=(".h5ad", ".h5", ".hdf5", ".h5mu"))
MATRIX_MARKET = Format(
    "a Matrix Market file",
    _is_matrix_market,
    "convert",
    suffixes=(".mtx", ".mtx.gz", ".mtx.bz2", ".mtx.xz", ".mtx.zst"),
)
COORDINATES = Format(
    "a file of coordinates (.tns)",
    lambda c: c.path.name.lower().endswith(TNS) and _is_text(c),
    "convert",
    suffixes=TNS,
    more=lambda _: ALONG_LONGEST,
)
TENX_DIRECTORY = Format("a directory of 10x Genomics (matrix.mtx)", _is_tenx_directory, "convert")
NPY = Format("an .npy file", lambda c: c.head.startswith(b"\x93NUMPY"), "convert", suffixes=(".npy",),
             more=lambda contents: ALONG_LONGEST if axes_of_npy(contents) > PLANE else "")  # fmt: skip
NPZ = Format("a sparse matrix in an .npz file", _is_whole_npz, "convert", suffixes=(".npz",))
RUN = _refused(
    "a run of dnmf", _is_run,
    "not a matrix: dnmf resume {quoted} goes on with it, dnmf inspect {quoted} shows it, and dnmf.load({path!r}) "
    "returns its model, whose transform (dnmf transform {quoted} DATA --out W.zarr) solves for the rows of other data",
)  # fmt: skip
DIRECTORIES = (
    RUN,
    ZARR,
    TENX_DIRECTORY,
    _refused("a TileDB store", _holds("__schema", "__group", "__tiledb_group.tdb"),
             "export it as AnnData: tiledbsoma.io.to_h5ad writes an .h5ad file"),
    _refused("an N5 store", _holds("attributes.json"), "copy it to Zarr"),
    _refused("a directory", lambda c: c.is_directory,
             "neither a Zarr store nor a directory of 10x Genomics with a matrix.mtx; name what is meant in it"),
)  # fmt: skip
ARCHIVES = (
    ZIPPED_ZARR,
    _refused("a Zarr store in a folder of a zip archive", _in_zip(_has_zarr_in_folder), UNZIP),
    NPZ,
    *(
        _refused(f"a sparse matrix ({kind}) in an .npz file that is not whole", _is_sparse_npz_of(kind),
                 f"it holds {{names}}, a {kind} matrix has {' and '.join(parts)} too; save it anew with "
                 "scipy.sparse.save_npz")
        for kind, parts in SPARSE_IN_NPZ.items()
    ),
    _refused("a sparse matrix in an .npz file whose format is not converted (bsr, dia)", _in_zip(_is_sparse_npz),
             "save it as csr: scipy.sparse.save_npz(path, scipy.sparse.load_npz({path!r}).tocsr()), then dnmf convert"),
    _refused("an .npz file of numpy.savez", _in_zip(lambda n: any(name.endswith(".npy") for name in n)),
             "it holds {names}; save the one that is meant as an .npy file, numpy.save('matrix.npy', "
             "numpy.load({path!r})['{first}']), then dnmf convert matrix.npy out.zarr; the parts of a sparse matrix "
             "with scipy.sparse.save_npz"),
    _refused("an Excel file", _in_zip(lambda n: any(name.startswith("xl/") for name in n)),
             FROM_PANDAS.format(reader="read_excel")),
    _refused("a zip archive", _in_zip(lambda _: True), UNZIP),
)  # fmt: skip
FILES = (
    _refused("an empty file", lambda c: c.path.is_file() and not c.head, "copy or download it again"),
    _refused("a MATLAB 7.3 file", _begins(b"MATLAB 7.3"),
             "its matrices lie transposed in it; save it with save(…, '-v7') and write what scipy.io.loadmat reads "
             "with scipy.sparse.save_npz or numpy.save, then dnmf convert"),
    HDF5,
    NPY,
    MATRIX_MARKET,
    COORDINATES,
    _refused("a tar archive", lambda c: c.text[257:262] == b"ustar", "unpack it: tar xf {quoted}"),
    PARQUET,
    _refused("a Feather (Arrow) file", _begins(b"ARROW1", b"FEA1"), FROM_PANDAS.format(reader="read_feather")),
    _refused("a file of R", _begins(*R_MAGICS), IN_R),
    _refused("a MATLAB file", _begins(b"MATLAB 5.0"),
             "write what scipy.io.loadmat({path!r}) reads with scipy.sparse.save_npz or numpy.save, then dnmf convert"),
    _refused("a netCDF 3 file", _begins(b"CDF\x01", b"CDF\x02", b"CDF\x05"),
             "give one variable: dnmf.fit(xarray.open_dataset({path!r})['NAME'], rank)"),
    _refused("a pickle", _begins(*PICKLE_MAGICS),
             "pickles can run any code, dnmf does not read them; load it yourself and give the object to dnmf.fit"),
    _refused("a pointer of Git LFS", _begins(b"version https://git-lfs"), "fetch the file: git lfs pull"),
    _refused("a web page", _begins_text(b"<!doctype html", b"<html"),
             "the download brought a page instead of the file; download it again"),
    _refused("XML or HTML", _begins_text(b"<"), AS_ARRAY),
    _refused("JSON", lambda c: bool(JSON.match(c.text)), AS_ARRAY),
    _refused("a file of ARFF", _begins_text(b"@relation"),
             "give it as a frame in Python: dnmf.fit(pandas.DataFrame(scipy.io.arff.loadarff({path!r})[0]), rank)"),
    _refused("a GCT file", _begins(b"#1.2\n", b"#1.2\r\n", b"#1.2\t"),
             "give it as a frame in Python: dnmf.fit(pandas.read_csv({path!r}, sep='\\t', skiprows=2, "
             "index_col=0).drop(columns='Description'), rank)"),
    _refused("a file of svmlight (libsvm)", lambda c: bool(SVMLIGHT.match(c.text)),
             "give its matrix in Python: dnmf.fit(sklearn.datasets.load_svmlight_file({path!r})[0], rank); or save it "
             "with scipy.sparse.save_npz, then dnmf convert"),
    _refused("a FITS file", _begins(b"SIMPLE  ="),
             "give one image of it in Python: dnmf.fit(astropy.io.fits.getdata({path!r}), rank)"),
    _refused("a 7z archive", _begins(b"7z\xbc\xaf\x27\x1c"), "unpack it: 7z x {quoted}"),
    _refused("a RAR archive", _begins(b"Rar!\x1a\x07"), "unpack it: unrar x {quoted}"),
    _refused("text of 16 bits", _begins(*OTHER_BYTE_ORDER_MARKS),
             "by its byte order mark it is UTF-16; write it as UTF-8: iconv -f UTF-16 -t UTF-8"),
)  # fmt: skip
FORMATS = (*DIRECTORIES, *ARCHIVES, *FILES)
TABLE = _refused("a table of text", _is_text, TABLE_WAY)
READABLE = (
    "dnmf reads Zarr stores, .h5ad and other HDF5 files; dnmf convert turns .mtx, .mtx.gz, .npz, .npy, .tns, 10x .h5, "
    "10x directories and long tables into one"
)
BANNER = "%%MatrixMarket matrix coordinate real general"
NO_BANNER = _refused("not a Matrix Market file", _is_text, f"it should begin with a line like '{BANNER}'")
NO_TABLE = _refused("text, but no table", _is_text, READABLE)
UNKNOWN = _refused("an unknown kind of file", lambda _: True, READABLE)


def format_of(path: Path) -> Format:
    """Return what is at `path`; the last of the table, an unknown kind, where nothing fits.

    Raises
    ------
    OSError
        It cannot be looked into.
    """
    if is_zarr_directory(path):  # which is told without listing it
        return ZARR
    return _format_of(contents_of(path))


def _format_of(contents: Contents) -> Format:
    found = next((each for each in FORMATS if each.recognized(contents)), None)
    if found is not None:
        return found
    named = next((each for each in FORMATS if contents.path.name.lower().endswith(each.suffixes or ("/",))), None)
    if _is_text(contents) and named is MATRIX_MARKET:
        return NO_BANNER
    if _is_text(contents):
        return TABLE if call_of_pandas(contents) else NO_TABLE
    return named or UNKNOWN


def refusal(path: Path) -> InputError:
    """Return the error that says what is at `path`, and which way works, where dnmf does not read it as it is."""
    contents = contents_of(path)
    found = _format_of(contents)
    if found.use == "convert":
        return InputError(
            f"{path}: {found.name} cannot be read in parts; convert it once with: "
            f"dnmf convert {shlex.quote(str(path))} out.zarr{found.more(contents)}"
        )
    if contents.compression and found in (HDF5, NPY, UNKNOWN):
        command = f"{DECOMPRESS_WITH[contents.compression]} {shlex.quote(str(path))}"
        return InputError(f"{path}: compressed by {contents.compression}; decompress it first: {command}")
    return InputError(f"{path}: {found.name}; {_way(found, contents)}")


def _way(found: Format, contents: Contents) -> str:
    names = sorted(name.removesuffix(".npy") for name in contents.names or ())
    listed = ", ".join(names[:12]) + (" …" if len(names) > 12 else "") or "nothing"
    text = found.way
    if contents.is_directory and found is not RUN:
        text += f"; it holds {listed}"
    fields = {"path": str(contents.path), "quoted": shlex.quote(str(contents.path)), "names": listed}
    reading, remark = _how_a_table_is_read(contents) if found is TABLE else ("", "")
    return text.format(**fields, first=names[0] if names else "", reading=reading, remark=remark)


def _how_a_table_is_read(contents: Contents) -> tuple[str, str]:
    call, table = call_of_pandas(contents) or ("pandas.read_csv(…)", None)
    doubtful = table is not None and table.has_header and not table.has_row_names
    return call, " (with index_col=0 too, if its first column holds names)" if doubtful else ""
