# SPDX-License-Identifier: Apache-2.0
"""Checks the signature of a request to the S3 stand-in: Signature Version 4.

Written from the "Create a signed AWS API request" and "Authenticating Requests (Amazon S3)" pages of
AWS alone, so that it agrees with our C signer only where both agree with AWS. Everything is derived
from the request as it arrived; refused with S3's own codes.
"""

import calendar
import hashlib
import hmac
import re
import time
import urllib.parse

MAX_SKEW_S = 15 * 60


class Refused(Exception):
    """An answer of S3 that is an error."""

    def __init__(self, status, code, message="", headers=None, extra=None):
        super().__init__(code)
        self.status, self.code, self.message = status, code, message or code
        self.headers, self.extra = headers or {}, extra or {}


def encode(data, keep=""):
    """Percent-encode as AWS wants it: unreserved characters stay, everything else is %XX."""
    return urllib.parse.quote(data, safe="-_.~" + keep)


def parse_query(query):
    """The parameters as (name, value) in bytes; '+' is a plus sign, not a space."""
    pairs = []
    for part in query.split("&") if query else []:
        name, _, value = part.partition("=")
        pairs.append((urllib.parse.unquote_to_bytes(name), urllib.parse.unquote_to_bytes(value)))
    return pairs


def canonical_request(method, path, query, headers, signed, payload_hash):
    pairs = sorted((encode(n), encode(v)) for n, v in parse_query(query))
    lines = [method, encode(urllib.parse.unquote_to_bytes(path), keep="/"),
             "&".join(n + "=" + v for n, v in pairs)]
    for name in signed:
        values = headers.get_all(name) or []
        lines.append(name + ":" + ",".join(re.sub(" +", " ", v.strip()) for v in values))
    lines += ["", ";".join(signed), payload_hash]
    return "\n".join(lines)


def signature(secret, scope, date, canonical):
    key = ("AWS4" + secret).encode()
    for part in scope.split("/"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    to_sign = "\n".join(["AWS4-HMAC-SHA256", date, scope,
                         hashlib.sha256(canonical.encode()).hexdigest()])
    return hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()


def parse_authorization(value):
    match = re.fullmatch(r"AWS4-HMAC-SHA256 +Credential=([^,\s]+), *SignedHeaders=([^,\s]+), *"
                         r"Signature=([0-9a-f]{64})", value or "")
    if value is None:
        raise Refused(403, "AccessDenied", "Access Denied")
    if not match:
        raise Refused(400, "AuthorizationHeaderMalformed", "the authorization header is malformed")
    credential, signed, given = match.groups()
    parts = credential.split("/")
    if len(parts) != 5 or parts[3] != "s3" or parts[4] != "aws4_request":
        raise Refused(400, "AuthorizationHeaderMalformed", "the credential is malformed")
    return parts[0], "/".join(parts[1:]), signed.split(";"), given


def check_signed_headers(headers, signed):
    if signed != sorted(signed) or "host" not in signed:
        raise Refused(403, "SignatureDoesNotMatch", "SignedHeaders are not sorted or lack host")
    for name in {n.lower() for n in headers.keys()}:
        if name.startswith("x-amz-") and name not in signed:
            raise Refused(403, "AccessDenied",
                          "There were headers present in the request which were not signed")


def check(request, keys, region, now):
    """Raise Refused unless the request was signed with one of the keys.

    request has method, path, query, headers (email.message), body. keys maps an access key to
    {"secret", "token" (None = none), "expired"}. now is the server's clock.
    """
    access, scope, signed, given = parse_authorization(request.headers.get("authorization"))
    date = request.headers.get("x-amz-date") or ""
    if not re.fullmatch(r"\d{8}T\d{6}Z", date):
        raise Refused(403, "AccessDenied", "AWS authentication requires a valid Date header")
    if access not in keys:
        raise Refused(403, "InvalidAccessKeyId",
                      "The AWS Access Key Id you provided does not exist in our records.")
    key = keys[access]
    if key.get("expired"):
        raise Refused(400, "ExpiredToken", "The provided token has expired.")
    if request.headers.get("x-amz-security-token") != key.get("token"):
        raise Refused(400, "InvalidToken", "The provided token is malformed or otherwise invalid.")
    check_signed_headers(request.headers, signed)
    payload_hash = request.headers.get("x-amz-content-sha256") or ""
    canonical = canonical_request(request.method, request.path, request.query, request.headers,
                                  signed, payload_hash)
    if not hmac.compare_digest(signature(key["secret"], scope, date, canonical), given):
        raise Refused(403, "SignatureDoesNotMatch",
                      "The request signature we calculated does not match the signature you provided.")
    if abs(calendar.timegm(time.strptime(date, "%Y%m%dT%H%M%SZ")) - now) > MAX_SKEW_S:
        raise Refused(403, "RequestTimeTooSkewed",
                      "The difference between the request time and the current time is too large.")
    day, scope_region = scope.split("/")[:2]
    if day != date[:8]:
        raise Refused(400, "AuthorizationHeaderMalformed", "the date of the credential is not x-amz-date's")
    if scope_region != region:
        raise Refused(400, "AuthorizationHeaderMalformed",
                      f"the region '{scope_region}' is wrong; expecting '{region}'",
                      headers={"x-amz-bucket-region": region}, extra={"Region": region})
    if payload_hash != hashlib.sha256(request.body).hexdigest():
        raise Refused(400, "XAmzContentSHA256Mismatch",
                      "The provided 'x-amz-content-sha256' header does not match what was computed.")
