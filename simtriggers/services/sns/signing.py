"""The signatures of notifications, as a receiver verifies them: RSA with PKCS #1 v1.5 over a text. Pure.

The key and its certificate are made for this simulator and are the same for everyone, so that a run is the
same everywhere. They are public and protect nothing. With the `cryptography` package (extra `sns`) signing
is ten times as fast; the bytes are the same without it.
Source: Amazon SNS Developer Guide, "Verifying the signatures of Amazon SNS messages"; RFC 8017, section 8.2.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Mapping
from functools import lru_cache

CERTIFICATE = """\
-----BEGIN CERTIFICATE-----
MIIDGTCCAgGgAwIBAgIBATANBgkqhkiG9w0BAQsFADBPMTEwLwYDVQQKDChzaW10
cmlnZ2VycywgYSBzaW11bGF0b3I6IHByb3ZlcyBub3RoaW5nMRowGAYDVQQDDBFz
bnMuYW1hem9uYXdzLmNvbTAgFw0wMDAxMDEwMDAwMDBaGA8yMjAwMDEwMTAwMDAw
MFowTzExMC8GA1UECgwoc2ltdHJpZ2dlcnMsIGEgc2ltdWxhdG9yOiBwcm92ZXMg
bm90aGluZzEaMBgGA1UEAwwRc25zLmFtYXpvbmF3cy5jb20wggEiMA0GCSqGSIb3
DQEBAQUAA4IBDwAwggEKAoIBAQCr760EM4oUpHScip0Ata7sL9wfR8wiiUMRiXF7
MY+ONgznE7AmJ2VujPgETQeQhgKY9KKSMWNma73ErK84Hfihb+C9J9l6Yj/Zwx87
XQYwxvRHkAgTr5b5GRBu8mKgtUJ5IUSVxodpr4DE+Db3QTOnC7sNUkAIubf3uv43
gGpV/oaX9TeQoWjCPMwVx0FzpPx+4v8nqykNpIY+UQpBcshRFx6ZaadOzX+/w4mQ
CFEtRyn0LR/3zicXJwgZmkr6BNZ7LbWUoEQJ/ETihT8Pq5qpeYgxJ8QoJQI5HQbP
r7MjTCYShcaQ5asCfSIATM5wKXEXMcepydZ0XGjLIOZNtEKrAgMBAAEwDQYJKoZI
hvcNAQELBQADggEBAKXJmGJ1HNKe1jWg+RMGncGiBUbvMucZhRX4raK/HqpeH8BD
4ZiUTZPcfEz+UrXwiYPO90ln62rhHmUXYbuTnZ0kpu/7FXFy0ApUFS7R+oMEqf90
gsymRR4lclryoI41IPnGRGJ165+NA9lRVVrLC/v6TypZPdk2YZIPgifBT0EU+lGW
ZqyoAlp+BcqvV7ztaZpuk6Sx/2UJTv/A8RWjDGXgGSlCjYzfPHLdpHz1YqDAmCmH
tJ20E88qGRJvLBlpY1Tk4FrkyZgWJTzWDG/32L03y12459xQ64bGAaYwRY3uYX9N
jkoo4dRoZyURpbIBShKdC+RZnJC7jOPmrBB+AY4=
-----END CERTIFICATE-----
"""
"""The self-signed certificate that verifies every signature made here (PEM)."""

CERTIFICATE_NAME = "SimpleNotificationService-7b643fe12171daa560fe41fb5c854f8a.pem"
"""The last part of SigningCertURL."""

# Not a secret: see the module's docstring.
_PUBLIC_TEST_PRIMES = (
    int(
        "dde59b7adecd8bcc0c8b9aacea31fb3ade06bd75882217a7b02a36149a9d0f228b9a691b23c26e0ccdf8a54ab0edcba6"
        "3a7eaede8d0b2acd3216558a985eef1e3c8e743b9318fb3910b62739f43aa3e9d63a2f4b9c06ab47b2dab99a2b674646"
        "7428d0b8555dbe9d009b09ac5517529285ec946ac003f81a2238c2554a32ab81",
        16,
    ),
    int(
        "c65c65cf5321e97e157c8db14df4c1f94b170821c95f7e07f09ec6230eab5ff76db464e13e0d9b9e08dea4e1cdbb3043"
        "264302a399cbf7bafbe9373992aac3850c49a4b89d959fb2ca2b8a78b8aa564c774ef49b05cf6c92d45d6bfe269a26a9"
        "9b5059f985f4c52cb92bd6a4be09c4965e5f218a35722d881cf2e3aabafb742b",
        16,
    ),
)
_EXPONENT = 65537
_BYTES = 256

# The DER prefixes of a digest in EMSA-PKCS1-v1_5: RFC 8017, section 9.2.
_DIGESTS = {
    "1": ("sha1", bytes.fromhex("3021300906052b0e03021a05000414")),
    "2": ("sha256", bytes.fromhex("3031300d060960864801650304020105000420")),
}

_NOTIFICATION = ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type")
_CONFIRMATION = ("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type")


def string_to_sign(fields: Mapping[str, str | None]) -> str:
    r"""The text that is signed, from the fields of an envelope: `NAME\nVALUE\n` of each that is there, in
    AWS's order, which depends on the type. Message attributes are not signed."""
    names = _NOTIFICATION if fields["Type"] == "Notification" else _CONFIRMATION
    return "".join(f"{name}\n{fields[name]}\n" for name in names if fields.get(name) is not None)


def sign(text: str, version: str) -> str:
    """The Base64 signature of a text. `version` is SignatureVersion: `1` uses SHA1, `2` SHA256."""
    return base64.b64encode(_signer(version)(text.encode("utf-8", "surrogatepass"))).decode()


@lru_cache(maxsize=4)
def _signer(version: str) -> Callable[[bytes], bytes]:
    try:
        return _fast_signer(version)
    except ImportError:
        return lambda data: plain_signature(data, version)


def _fast_signer(version: str) -> Callable[[bytes], bytes]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    p, q, d = _private()
    public = rsa.RSAPublicNumbers(_EXPONENT, p * q)
    numbers = rsa.RSAPrivateNumbers(p, q, d, d % (p - 1), d % (q - 1), pow(q, -1, p), public)
    key = numbers.private_key()
    digest: hashes.HashAlgorithm = hashes.SHA1() if version == "1" else hashes.SHA256()
    return lambda data: key.sign(data, padding.PKCS1v15(), digest)


def plain_signature(data: bytes, version: str) -> bytes:
    """The same signature by arithmetic alone."""
    name, prefix = _DIGESTS[version]
    digest = prefix + hashlib.new(name, data, usedforsecurity=False).digest()
    padded = b"\x00\x01" + b"\xff" * (_BYTES - len(digest) - 3) + b"\x00" + digest
    message = int.from_bytes(padded, "big")
    p, q, d = _private()
    of_p, of_q = pow(message, d % (p - 1), p), pow(message, d % (q - 1), q)
    signature = of_q + q * (pow(q, -1, p) * (of_p - of_q) % p)
    return signature.to_bytes(_BYTES, "big")


@lru_cache(maxsize=1)
def _private() -> tuple[int, int, int]:
    p, q = _PUBLIC_TEST_PRIMES
    return p, q, pow(_EXPONENT, -1, (p - 1) * (q - 1))
