"""Tests of the API meet a real server."""

from serving import serve

__all__ = ["serve"]
