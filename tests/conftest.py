"""Makes what stands beside this file importable in every test: `from serving import Wire`."""
