"""Tests of the server meet a real one."""

from serving import serve

__all__ = ["serve"]
