"""Channels messages go out by: one file a channel. Each has a name, says what it wants, and sends."""
