"""The HTTP surface: server, routes, authentication, handlers."""
