"""The program's API as a command meets it: the running daemon's, else this process's own."""

from podup.app.local import LocalApi, open_local
from podup.app.places import control_socket
from podup.app.remote import RemoteApi
from podup.clock import Clock
from podup.net.control import is_answering
from podup.settings.load import Loaded


def api_of(loaded: Loaded, clock: Clock) -> RemoteApi | LocalApi:
    """Return the API to call now; a daemon may come or go later."""
    socket = control_socket(loaded)
    return RemoteApi(socket, clock) if is_answering(socket) else open_local(loaded, clock)
