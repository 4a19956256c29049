"""Compiled for the processor; nothing here is for Python."""
