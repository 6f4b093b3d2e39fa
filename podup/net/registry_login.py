"""How a registry is told who asks: Basic, or a token from the realm its challenge names.

A login goes to the realm the registry names, as every client of the protocol does, but never over plain
http when the registry itself is asked over https. Tokens are kept until shortly before they end.
Source: distribution, "Token Authentication Specification" and "OAuth2 Token Authentication".
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from urllib.parse import urlencode

from podup.clock import Clock
from podup.core.challenges import Challenge, read_challenges
from podup.core.json_body import integer_at, read_object, text_at
from podup.core.logins import Login, LoginFile, helper_question, read_helper_answer, read_logins
from podup.core.registries_conf import Place
from podup.core.registry_answers import refusal, unreachable
from podup.errors import Invalid, PodupError
from podup.net.http import Answer

_CLIENT_ID = "pod-upgrade-trigger"
_SHORTEST_LIFE_S = 60
_MARGIN_S = 10

Ask = Callable[[str, str, Mapping[str, str], bytes | None], Answer]
RunHelper = Callable[[str, str], bytes]


class Logins:
    """The logins of this user: files in order, the first that knows one counts.

    The files are read when asked, so `podman login` counts at once. `run_helper(program, registry)` returns
    what `docker-credential-PROGRAM get` printed, nothing when it failed.
    """

    def __init__(self, paths: tuple[Path, ...] = (), run_helper: RunHelper | None = None) -> None:
        self._paths = paths
        self._run_helper = run_helper

    def find(self, place: Place) -> Login | None:
        """Return the login for a place; raises Invalid `bad-auth-file`, PodupError `auth-file-unreadable`."""
        for path in self._paths:
            known = _read_file(path)
            found = None if known is None else self._in_file(known, place)
            if found is not None:
                return found
        return None

    def _in_file(self, known: LoginFile, place: Place) -> Login | None:
        found = known.login_for(place.registry, place.repository)
        helper = known.helper_for(place.registry)
        if found is not None or not helper or self._run_helper is None:
            return found
        printed = self._run_helper(helper, helper_question(place.registry))
        return read_helper_answer(printed) if printed.strip() else None


class Tokens:
    """Finds the Authorization header a place wants, and remembers it while it is good."""

    def __init__(self, clock: Clock, logins: Logins) -> None:
        self._clock = clock
        self._logins = logins
        self._known: dict[Place, tuple[str, float]] = {}

    def known(self, place: Place) -> str:
        """Return a header's value that was good before and still should be, else nothing."""
        value, until = self._known.get(place, ("", 0.0))
        return value if self._clock.monotonic() < until else ""

    def forget(self, place: Place) -> None:
        """Forget what was known: the registry no longer takes it."""
        self._known.pop(place, None)

    def answer(self, place: Place, refused: Answer, ask: Ask) -> str:
        """Return the header's value for the challenge of a 401, empty when there is nothing to say.

        `ask(method, url, headers, body)` talks to the realm. Raises PodupErrors as `Registry.resolve`.
        """
        login = self._logins.find(place)
        for challenge in read_challenges(refused.every("WWW-Authenticate")):
            if challenge.scheme == "bearer" and challenge.get("realm"):
                return self._bearer(place, refused.url, challenge, login, ask)
            if challenge.scheme == "basic" and login is not None and login.password:
                return self._keep(place, login.basic, 3600)
        return ""

    def _bearer(self, place: Place, asked: str, challenge: Challenge, login: Login | None, ask: Ask) -> str:
        realm = challenge.get("realm")
        if asked.startswith("https:") and not realm.startswith("https:"):
            raise unreachable(place.repository, "it wants the login sent to a place without TLS")
        scope = challenge.get("scope") or f"repository:{place.repository}:pull"
        fields = {"service": challenge.get("service"), "scope": scope}
        if login is not None and login.identity:
            fields |= {"grant_type": "refresh_token", "client_id": _CLIENT_ID}
            fields["refresh_token"] = login.identity.reveal()
            form = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = ask("POST", realm, form, urlencode(fields).encode())
        else:
            headers = {"Authorization": login.basic} if login is not None else {}
            told = urlencode({key: value for key, value in fields.items() if value})
            answer = ask("GET", f"{realm}{'&' if '?' in realm else '?'}{told}", headers, None)
        return self._read_token(place, answer)

    def _read_token(self, place: Place, answer: Answer) -> str:
        name = f"{place.registry}/{place.repository}"
        if not answer.ok:
            headers = {key.lower(): value for key, value in answer.headers}
            status = 401 if answer.status in (400, 404) else answer.status
            raise refusal(name, status, headers, answer.body, self._clock.now())
        try:
            document = read_object(answer.body)
            token = text_at(document, "token") or text_at(document, "access_token")
            life_s = integer_at(document, "expires_in")
        except Invalid as error:
            raise unreachable(name, error.message) from None
        if not token or not token.isascii() or not token.isprintable():
            raise unreachable(name, "its realm gave no token")
        return self._keep(place, f"Bearer {token}", max(life_s, _SHORTEST_LIFE_S))

    def _keep(self, place: Place, value: str, life_s: float) -> str:
        self._known[place] = value, self._clock.monotonic() + life_s - _MARGIN_S
        return value


def _read_file(path: Path) -> LoginFile | None:
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise PodupError("auth-file-unreadable", f"{path} cannot be read: {error.strerror}") from None
    try:
        return read_logins(data)
    except Invalid as error:
        raise Invalid(error.code, f"{path}: {error.message}", error.hint) from None
