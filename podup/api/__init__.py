"""The HTTP surface: the rows of the table of routes and their handlers, one file a subject."""
