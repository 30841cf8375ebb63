"""Compiled loops: arrays in, arrays out. Nothing of dnmf is imported here."""
