#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Sends the same S3 requests to two servers and compares what they answer, as TAP.

usage: s3_ask.py ENDPOINT ENDPOINT

Each request is an entry of script(); status, error code and, where it says so, part of the body or
the headers must be the same.
"""

import hashlib
import hmac
import http.client
import re
import sys
import time
import urllib.parse

ACCESS, SECRET, REGION, BUCKET = "AKIDEXAMPLE", "standin-secret-key", "us-east-1", "rocky"


def sha256(data):
    return hashlib.sha256(data).hexdigest()


class Server:
    """One endpoint, and what its answers have been so far."""

    def __init__(self, endpoint):
        self.netloc = urllib.parse.urlsplit(endpoint).netloc
        self.etags = {}
        self.upload = ""

    def ask(self, method, key, query="", body=b"", headers=(), bucket=BUCKET, secret=SECRET,
            payload_hash=None, age_s=0, region=REGION, signed=True):
        path = "/" + bucket + ("/" + urllib.parse.quote(key, safe="/-_.~") if key else "")
        query = "&".join(sorted(query.replace("UPLOAD", urllib.parse.quote(self.upload, safe=""))
                                .split("&"))) if query else ""
        stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime(time.time() - age_s))
        send = {"host": self.netloc, "x-amz-date": stamp,
                "x-amz-content-sha256": payload_hash or sha256(body)}
        send.update({n: self.etags.get(v, v) for n, v in headers})
        names = sorted(send)
        canonical = "\n".join([method, path, query] + [f"{n}:{send[n]}" for n in names] +
                              ["", ";".join(names), send["x-amz-content-sha256"]])
        scope = f"{stamp[:8]}/{region}/s3/aws4_request"
        key_ = ("AWS4" + secret).encode()
        for part in scope.split("/"):
            key_ = hmac.new(key_, part.encode(), hashlib.sha256).digest()
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{sha256(canonical.encode())}"
        if signed:
            send["authorization"] = (
                f"AWS4-HMAC-SHA256 Credential={ACCESS}/{scope}, SignedHeaders={';'.join(names)}, "
                f"Signature={hmac.new(key_, text.encode(), hashlib.sha256).hexdigest()}")
        connection = http.client.HTTPConnection(self.netloc, timeout=20)
        connection.request(method, path + ("?" + query if query else ""), body or None, send)
        reply = connection.getresponse()
        data = reply.read()
        connection.close()
        return reply, data


def code_of(data):
    found = re.search(rb"<Error>.*<Code>(.*?)</Code>", data, re.S)
    return found[1].decode() if found else ""


def keys_of(data):
    return re.findall(rb"<Contents>.*?<Key>(.*?)</Key>", data, re.S)


MANY = [f"list/{i:02d}" for i in range(7)]
PART = b"p" * (5 << 20)


def script():
    """(what, arguments, what to compare beside status and code)."""
    yield "a create of a new key", ("PUT", "a b+c~\u00e4.db", "", b"one", (("if-none-match", "*"),
                                    ("x-amz-meta-write-id", "w1"))), "keep"
    yield "a second create", ("PUT", "a b+c~\u00e4.db", "", b"two", (("if-none-match", "*"),)), ""
    yield "a replace of the version that is there", \
        ("PUT", "a b+c~\u00e4.db", "", b"two", (("if-match", "etag"),)), ""
    yield "a replace of a stale version", \
        ("PUT", "a b+c~\u00e4.db", "", b"three", (("if-match", "etag"),)), ""
    yield "a replace of what is not there", \
        ("PUT", "missing", "", b"x", (("if-match", '"0123"'),)), ""
    yield "both conditions at once", \
        ("PUT", "both", "", b"x", (("if-match", '"0123"'), ("if-none-match", "*"))), ""
    yield "a GET", ("GET", "a b+c~\u00e4.db"), "body"
    yield "a HEAD", ("HEAD", "a b+c~\u00e4.db"), "length"
    yield "a GET of the first byte", ("GET", "a b+c~\u00e4.db", "", b"", (("range", "bytes=0-0"),)), \
        "body"
    yield "a GET of a missing key", ("GET", "missing"), ""
    yield "a HEAD of a missing key", ("HEAD", "missing"), "body"
    yield "a new key with metadata", ("PUT", "meta", "", b"m", (("x-amz-meta-write-id", "w2"),
                                                              ("x-amz-meta-generation", "7"))), "keep"
    yield "a HEAD with its metadata", ("HEAD", "meta"), "metadata"
    yield "a GET of the version at hand", ("GET", "meta", "", b"", (("if-none-match", "etag"),)), "body"
    yield "a GET of another version", ("GET", "meta", "", b"", (("if-none-match", '"0123"'),)), "body"
    yield "an empty object", ("PUT", "empty", "", b""), ""
    yield "a bucket that does not exist", ("PUT", "x", "", b"x", (), "nobody-has-this"), ""
    yield "a GET from it", ("GET", "x", "", b"", (), "nobody-has-this"), ""
    yield "a listing of it", ("GET", "", "list-type=2", b"", (), "nobody-has-this"), ""
    yield "a wrong secret", ("GET", "meta", "", b"", (), BUCKET, "wrong"), ""
    yield "a wrong payload hash", ("PUT", "hash", "", b"x", (), BUCKET, SECRET, sha256(b"y")), ""
    yield "a request of 20 minutes ago", ("GET", "meta", "", b"", (), BUCKET, SECRET, None, 1200), ""
    yield "a wrong region", ("GET", "meta", "", b"", (), BUCKET, SECRET, None, 0, "eu-west-1"), ""
    yield "no signature", ("GET", "meta", "", b"", (), BUCKET, SECRET, None, 0, REGION, False), ""
    for key in MANY:
        yield f"a new key '{key}'", ("PUT", key, "", b"x"), ""
    yield "a listing", ("GET", "", "list-type=2&prefix=list%2F"), "keys"
    yield "a page of it", ("GET", "", "list-type=2&max-keys=3&prefix=list%2F"), "keys"
    yield "a listing of nothing", ("GET", "", "list-type=2&prefix=nothing%2F"), "keys"
    yield "an upload in parts", ("POST", "large", "uploads="), "upload"
    yield "its first part", ("PUT", "large", "partNumber=1&uploadId=UPLOAD", PART), ""
    yield "its last part", ("PUT", "large", "partNumber=2&uploadId=UPLOAD", b"end"), ""
    done = ("<CompleteMultipartUpload>" + "".join(
        f'<Part><PartNumber>{n}</PartNumber><ETag>&quot;{hashlib.md5(b).hexdigest()}&quot;</ETag></Part>'
        for n, b in ((1, PART), (2, b"end"))) + "</CompleteMultipartUpload>").encode()
    yield "its end, on a version that is not there", \
        ("POST", "large", "uploadId=UPLOAD", done, (("if-match", '"0123"'),)), ""
    yield "its end", ("POST", "large", "uploadId=UPLOAD", done, (("if-none-match", "*"),)), ""
    yield "a HEAD of it", ("HEAD", "large"), "length"
    yield "another upload", ("POST", "large", "uploads="), "upload"
    yield "its part", ("PUT", "large", "partNumber=1&uploadId=UPLOAD", b"end"), ""
    yield "its end with a part that nobody sent", \
        ("POST", "large", "uploadId=UPLOAD",
         b"<CompleteMultipartUpload><Part><PartNumber>7</PartNumber><ETag>x</ETag></Part>"
         b"</CompleteMultipartUpload>"), ""
    yield "its abortion", ("DELETE", "large", "uploadId=UPLOAD"), ""
    yield "a part for what was aborted", \
        ("PUT", "large", "partNumber=1&uploadId=UPLOAD", b"end"), ""
    yield "encryption by S3", ("PUT", "sse", "", b"x", (("x-amz-server-side-encryption", "AES256"),)), ""
    yield "a delete of a stale version", ("DELETE", "meta", "", b"", (("if-match", '"0123"'),)), ""
    yield "a delete", ("DELETE", "meta"), ""
    yield "a delete of what is not there", ("DELETE", "meta"), ""


def seen(server, reply, data, compare):
    """What of an answer has to be the same on both."""
    answer = [reply.status, code_of(data)]
    if compare == "keep":
        server.etags["etag"] = reply.headers["etag"]
    elif compare == "upload":
        server.upload = re.search(rb"<UploadId>(.*?)</UploadId>", data)[1].decode()
    elif compare == "body":
        answer.append(data if not code_of(data) else b"")
    elif compare == "length":
        answer.append(reply.headers["content-length"])
    elif compare == "metadata":
        answer += [reply.headers[n] for n in ("x-amz-meta-write-id", "x-amz-meta-generation", "etag")]
    elif compare == "keys":
        answer += [keys_of(data), re.findall(rb"<IsTruncated>(.*?)<", data),
                   len(re.findall(rb"<NextContinuationToken>.", data))]
    return answer


def main():
    servers = [Server(endpoint) for endpoint in sys.argv[1:3]]
    number = 0
    for what, arguments, compare in script():
        number += 1
        answers = [seen(s, *s.ask(*arguments), compare) for s in servers]
        same = answers[0] == answers[1]
        print(f"{'ok' if same else 'not ok'} {number} - {what} is answered alike")
        if not same:
            print(f"# stand-in: {answers[0]}\n# real:     {answers[1]}")
    print(f"1..{number}")


if __name__ == "__main__":
    main()
