"""The one typed table of settings, its loader, and everything rendered from it."""
