"""Tokens: issuing them, real expiry, and the block after too many requests."""

from __future__ import annotations

import base64
import json
import math
from collections import deque

import attrs

from welkin_async.sandbox.http.errors import ApiError, unauthorized, validation_error
from welkin_async.sandbox.http.messages import Answer, Call, ok
from welkin_async.sandbox.http.routing import Routes
from welkin_async.sandbox.site import Site

TOKEN_OPERATION = "auth.create_token"  # noqa: S105 - the operation's id, not a secret
_REMEMBERED = 10_000


def _segment(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@attrs.define
class Tokens:
    """The token route and the check that every other route makes.

    Attributes:
        site: Names, clock and ids.
        life: Seconds a token is accepted; fractions allowed. The real ones last 3600 (documented).
        limit: Token requests allowed within `window`.
        window: Seconds over which requests are counted: over 100 in 5 minutes blocks (documented).
        block: Seconds for which authorization stays blocked (documented: 5 minutes).
        refuse_uses: True makes every use of a token a 401, while tokens are still issued.
    """

    site: Site
    life: float = 3600.0
    limit: int = 100
    window: float = 300.0
    block: float = 300.0
    refuse_uses: bool = False
    _deadlines: dict[str, float] = attrs.field(factory=dict, repr=False)
    _asked: deque[float] = attrs.field(factory=deque, repr=False)
    _blocked_until: float = 0.0

    def register(self, routes: Routes) -> None:
        """Add the token route."""
        routes.add(TOKEN_OPERATION, "POST", "/{tenant}/admin/api_clients/{api_client}", self.create)

    def create(self, call: Call, api_client: str) -> Answer:
        """Answer a token request: 200 with `clientName`, `token`, `enabled` (recorded).

        Args:
            call: The request; its body holds the secret.
            api_client: Name of the API client.

        Raises:
            ApiError: 400, no secret; 401, wrong name or secret (unknown: chosen here); 429, blocked.
        """
        self._count()
        secret = call.object().get("secret")
        if not isinstance(secret, str):
            raise validation_error("secret is required", "AUTH")
        if api_client != self.site.api_client or secret != self.site.secret_key:
            raise unauthorized("BAD_CREDENTIALS", "The API client or its secret is wrong")
        return ok({"clientName": api_client, "token": self.issue(), "enabled": True})

    def _count(self) -> None:
        now = self.site.clock.monotonic()
        if now >= self._blocked_until:
            while self._asked and self._asked[0] <= now - self.window:
                self._asked.popleft()
            self._asked.append(now)
            if len(self._asked) <= self.limit:
                return
            self._asked.clear()
            self._blocked_until = now + self.block
        # The status and body of the real block are unknown: 429 is chosen here, without Retry-After.
        raise ApiError(429, "TOO_MANY_REQUESTS", "AUTH", "Authorization is blocked: too many token requests")

    def issue(self) -> str:
        """A new token, shaped like the documented one: three base64url segments, Cognito claims, `exp` = `iat` + life.

        Life is kept in the server's own monotonic time as well, so that a token expires on the moment whatever the
        wall clock does. With a fractional life the claims are fractional, which RFC 7519's NumericDate allows.
        """
        site, now = self.site, self.site.clock.time()
        whole = float(self.life).is_integer()
        issued: float = math.floor(now) if whole else round(now, 3)
        claims = {
            "custom:type": "API_CLIENT",
            "sub": site.client_id,
            "aud": "sandbox",
            "event_id": site.new_id(),
            "token_use": "id",
            "auth_time": math.floor(now),
            "iss": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_SANDBOX",
            "custom:id": site.client_id,
            "cognito:username": site.api_client,
            "exp": issued + (int(self.life) if whole else self.life),
            "iat": issued,
        }
        header = {"kid": "sandbox", "alg": "RS256"}
        # It is never verified: the server knows its tokens by their text. Only the length is that of a real signature.
        signature = (site.new_id() * 8)[:256].encode()
        token = f"{_segment(header)}.{_segment(claims)}.{_segment(signature)}"
        self._deadlines[token] = site.clock.monotonic() + self.life
        if len(self._deadlines) > _REMEMBERED:
            del self._deadlines[next(iter(self._deadlines))]
        return token

    def check(self, authorization: str | None) -> None:
        """Accept a request's Authorization header or refuse it.

        Args:
            authorization: The header's value, None when absent.

        Raises:
            ApiError: 401 with TOKEN_EXPIRED or NOT_VALID_JSON_WEB_TOKEN (codes known from a published client only).
        """
        scheme, _, token = (authorization or "").partition(" ")
        deadline = self._deadlines.get(token) if scheme.lower() == "bearer" else None
        if deadline is None or self.refuse_uses:
            raise unauthorized("NOT_VALID_JSON_WEB_TOKEN", "Not a valid JSON web token")
        if self.site.clock.monotonic() >= deadline:
            raise unauthorized("TOKEN_EXPIRED", "The token has expired")

    def expire(self) -> None:
        """Let every token issued so far expire now."""
        for token in self._deadlines:
            self._deadlines[token] = -math.inf

    def revoke(self, token: str) -> None:
        """Forget a token, as if it had never been issued.

        Args:
            token: Its text; an unknown one is ignored.
        """
        self._deadlines.pop(token, None)
