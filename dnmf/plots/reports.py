"""Stub."""

report = None
