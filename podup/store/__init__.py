"""The database: one file for the connection, then one file a subject."""
