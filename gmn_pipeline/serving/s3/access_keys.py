"""Access keys: tokens of accounts as S3 wants them, an id and a secret.

A signature can be checked only by who knows the secret, and of a token its hash is kept alone. So
the secret of a token's access key is made anew each time, of that hash and a secret of the server
(GMN_S3_SECRET): neither the database nor the environment is enough to have it, and a token that is
revoked takes its key along.

What belongs here: ids and secrets. What does not: signatures (`signatures.py`).
"""

import base64
import hashlib
import hmac
import re

from gmn_pipeline.database.accounts import AccountStore
from gmn_pipeline.schemas.accounts import NOBODY, Caller
from gmn_pipeline.serving.objects.rights import TOKEN_HOLDER
from gmn_pipeline.settings import ObjectServingSettings

OF_THE_TOKEN = "token"  # noqa: S105 - the id, which is no secret
"""The access key whose secret is GMN_OBJECTS_TOKEN."""
_ID = re.compile(r"GMN(\d{17})")


def access_key(token_id: int) -> str:
    """The id of a token's access key."""
    return f"GMN{token_id:017d}"


def secret_of(server_secret: bytes, token_id: int, token_sha256: str) -> str:
    """Its secret."""
    text = f"access key of S3, 1\n{token_id}\n{token_sha256}".encode()
    return base64.b64encode(hmac.new(server_secret, text, hashlib.sha256).digest()).decode()


class AccessKeys:
    """Who a key is of, and its secret."""

    def __init__(self, settings: ObjectServingSettings, accounts: AccountStore) -> None:
        self._secret = settings.s3_secret.get_secret_value().encode() if settings.s3_secret else b""
        token = settings.objects_token
        self._token = token.get_secret_value() if token else ""
        self._accounts = accounts

    def find(self, key: str) -> tuple[Caller, str] | None:
        """Who has it, with the rights of now, and its secret; None if there is none such."""
        if self._token and key == OF_THE_TOKEN:
            return TOKEN_HOLDER, self._token
        found = _ID.fullmatch(key)
        if found is None or not self._secret:
            return None
        token_id = int(found[1])
        caller, token_sha256 = self._accounts.of_token(token_id, notes_use=False)
        if caller is NOBODY:
            return None
        return caller, secret_of(self._secret, token_id, token_sha256)

    def note_use(self, key: str) -> None:
        """Note that a key was used, once its signature was right."""
        found = _ID.fullmatch(key)
        if found is not None:
            self._accounts.of_token(int(found[1]), notes_use=True)
