"""The composition root: builds settings, clock, store, host, net and engine, and hands each what it needs."""
