"""Conversion of matrix files (.mtx, .npz, .npy, .h5ad, 10x, Zarr) to Zarr in AnnData's layout, streaming."""

from dnmf.conversion.to_zarr import ConversionReport, convert

__all__ = ["ConversionReport", "convert"]
