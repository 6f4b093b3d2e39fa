"""The HTTP server: from bytes to requests, who may ask, routes and streams; not what is served."""
