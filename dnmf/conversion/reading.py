"""What goes wrong while a file is read becomes one clear sentence."""

import lzma
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

from dnmf.errors import InputError
from dnmf.refusals import told


@contextmanager
def reading(address: object) -> Iterator[None]:
    """Turn every way in which reading `address` can fail into an InputError that names it."""
    try:
        yield
    except InputError:
        raise
    except ImportError as error:
        raise InputError(
            f"{address}: nothing that decompresses it is installed; pip install {error.name or 'zstandard'}, or "
            "decompress it first"
        ) from error
    except (EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{address}: the file is truncated or damaged ({told(error)}); copy or download it again"
        ) from error
    except (OSError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise InputError(f"{address}: cannot be read ({told(error)})") from error
