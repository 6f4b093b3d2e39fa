"""The self-update: a transaction with a journal of its own."""
