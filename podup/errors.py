"""The one tree of errors.

Every error carries a code in kebab case, a sentence that says what happened and a hint that says what
to do. A class fixes how it is shown: its HTTP status (RFC 9110) and its exit code. Surfaces render it
once: a JSON problem on the API, two lines on the terminal, a box in the page.
"""

EXIT_DONE = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_REFUSED = 3
EXIT_ROLLED_BACK = 4
EXIT_UPDATE_REQUESTED = 10
EXIT_BUSY = 75


class PodupError(Exception):
    """Something went wrong that the user can be told about.

    `code` is stable and in kebab case, `message` one sentence, `hint` what to do (may be empty),
    `retry_after_s` whole seconds to wait before trying again, when that is known.
    """

    status = 500
    exit_code = EXIT_FAILED

    def __init__(self, code: str, message: str, hint: str = "", *, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.retry_after_s = retry_after_s

    @property
    def on_one_line(self) -> str:
        """What happened, and what to do in brackets; for logs."""
        return f"{self.message} ({self.hint})" if self.hint else self.message


class Invalid(PodupError):
    """The input is not what was asked for."""

    status = 400
    exit_code = EXIT_USAGE


class Unauthorized(PodupError):
    """Nobody we know, or a signature that does not match."""

    status = 401
    exit_code = EXIT_REFUSED


class Forbidden(PodupError):
    """Somebody we know who may not do this."""

    status = 403
    exit_code = EXIT_REFUSED


class NotFound(PodupError):
    """There is no such thing."""

    status = 404


class Refused(PodupError):
    """A rule says no; nothing was changed."""

    status = 409
    exit_code = EXIT_REFUSED


class TooLarge(PodupError):
    """The body or file is larger than allowed."""

    status = 413
    exit_code = EXIT_USAGE


class WrongMediaType(PodupError):
    """The body is of a type this route does not read."""

    status = 415
    exit_code = EXIT_USAGE


class RateLimited(PodupError):
    """Too many in too short a time; `retry_after_s` says when to come back."""

    status = 429
    exit_code = EXIT_BUSY


class Unavailable(PodupError):
    """Not now: not configured yet, in maintenance, or a peer is away."""

    status = 503


class Busy(PodupError):
    """Somebody else holds what is needed; the message names the holder."""

    status = 503
    exit_code = EXIT_BUSY


def error_of(status: int, code: str, message: str, hint: str = "") -> PodupError:
    """Return the error a problem answer with this HTTP status stands for."""
    kind: type[PodupError] = next((kind for kind in _KINDS if kind.status == status), PodupError)
    return kind(code, message, hint)


def error_of_os(error: OSError) -> PodupError:
    """Return what the operating system's answer stands for, where no other words were found for it."""
    why = error.strerror or str(error)
    says = f"cannot use {error.filename}: {why}" if error.filename else why
    hint = "check its owner and mode, and those of the directories above it"
    return PodupError("system-error", says, hint if isinstance(error, PermissionError) else "")


_KINDS = (
    Invalid,
    Unauthorized,
    Forbidden,
    NotFound,
    Refused,
    TooLarge,
    WrongMediaType,
    RateLimited,
    Unavailable,
)
