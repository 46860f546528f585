#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A scripted stand-in for S3 that tests can make misbehave. Standard library only.

It verifies signatures (s3_signature.py), keeps objects in memory with atomic conditional writes
(s3_store.py), and does to a request what a test asks for: see FAULTS. Nothing survives its end.

    s3_standin.py --dir DIR [--port N] [--bucket NAME]... [--access-key K --secret-key S]
                  [--region R] [--tls-cert FILE --tls-key FILE] [--set NAME=VALUE]...

prints ENDPOINT=http://127.0.0.1:PORT when it listens. DIR/requests.jsonl gets a line for each request
when it ends: seq, at (arrival), ended, method, operation, bucket, key, if_match, if_none_match, status,
code, applied (did it change or read the store), apply_seq (order of changes), write_id, generation,
ancestors, fence, etag, bytes, fault.

Administration, unsigned JSON under /_admin/:
  GET requests            everything so far, also what is still waiting (status null)
  POST faults, GET faults, DELETE faults
  POST deny {action, key} refuse an IAM action for keys that match; DELETE deny
  POST settings           etag "md5" or "opaque", racy, region, skew_s, conditional (false = answers
                          501), page (keys of a listing), keys {access: {secret, token, expired}}
  GET objects, POST wipe  all objects with metadata; forget them all
  GET object?bucket=&key= its bytes; PUT replaces the bytes and keeps metadata and ETag

FAULTS: {"operation": "PUT", "key": "*.db", "nth": 1, "count": 1, "action": ..., ...}; operation is
PUT, GET, HEAD, DELETE, LIST, CREATE, PART, COMPLETE, ABORT or "*"; the fault strikes the nth matching
request since it was set and count - 1 more (count -1: all of them). Actions:
  status {status, code, message, retry_after, apply}   answer so, by default without doing it
  redirect {status, region}          301 or 307 with x-amz-bucket-region
  ok_with_error {code, apply}        200 whose body is an <Error>
  reset_mid_body {bytes}             read so much of the body, then reset the connection
  drop {apply, how}                  close ("close") or reset ("reset") without an answer
  cut_reply {bytes, how}             do it, send so many bytes of the answer, then close or reset
  truncate, wrong_bytes              a GET's body: half of it; one byte of it flipped
  stale_get                          the version before the newest
  delay {before_ms, after_ms}        wait before or after it takes effect, then answer
  drip {bytes_per_second}            the answer slowly
  never_answer {apply}               until the client goes away
"""

import argparse
import fnmatch
import json
import os
import re
import socket
import ssl
import struct
import sys
import threading
import time
import urllib.parse
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.sax.saxutils import escape

import s3_signature
from s3_signature import Refused
from s3_store import Store

ACTIONS = {"PUT": "s3:PutObject", "GET": "s3:GetObject", "HEAD": "s3:GetObject",
           "DELETE": "s3:DeleteObject", "LIST": "s3:ListBucket", "CREATE": "s3:PutObject",
           "PART": "s3:PutObject", "COMPLETE": "s3:PutObject", "ABORT": "s3:AbortMultipartUpload"}


class Gone(Exception):
    """The connection ends here, without a (whole) answer."""


class Standin(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, options):
        super().__init__(("127.0.0.1", options.port), Handler)
        self.store = Store()
        for bucket in options.bucket or ["rocky"]:
            self.store.buckets[bucket] = {}
        self.settings = {"etag": "md5", "racy": False, "region": options.region, "skew_s": 0,
                         "conditional": True, "page": 1000,
                         "keys": {options.access_key: {"secret": options.secret_key}}}
        self.mutex = threading.Lock()
        self.records, self.faults, self.denied = [], [], []
        self.log = open(os.path.join(options.dir, "requests.jsonl"), "a", encoding="utf-8")
        self.tls = None
        if options.tls_cert:
            self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.tls.load_cert_chain(options.tls_cert, options.tls_key)

    def now(self):
        return time.time() + self.settings["skew_s"]

    def handle_error(self, request, client_address):
        if not isinstance(sys.exc_info()[1], (OSError, Gone)):
            super().handle_error(request, client_address)

    def begin(self, record):
        with self.mutex:
            record["seq"] = len(self.records) + 1
            self.records.append(record)

    def end(self, record):
        with self.mutex:
            record["ended"] = time.time()
            self.log.write(json.dumps(record) + "\n")
            self.log.flush()

    def fault_for(self, operation, key):
        """The fault that strikes this request; every matching one counts it."""
        struck = None
        with self.mutex:
            for fault in self.faults:
                if fault.get("operation", "*") not in ("*", operation) or \
                        not fnmatch.fnmatchcase(key, fault.get("key", "*")):
                    continue
                fault["seen"] = fault.get("seen", 0) + 1
                nth, count = fault.get("nth", 1), fault.get("count", 1)
                if struck is None and fault["seen"] >= nth and \
                        (count < 0 or fault["seen"] < nth + count):
                    struck = fault
        return struck

    def is_denied(self, action, key):
        return any(fnmatch.fnmatchcase(action, d.get("action", "*")) and
                   fnmatch.fnmatchcase(key, d.get("key", "*")) for d in self.denied)


class Answer:
    def __init__(self, status, headers=None, body=b""):
        self.status, self.headers, self.body = status, headers or {}, body


def xml(name, inside):
    return ('<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<{name} xmlns="http://s3.amazonaws.com/doc/2006-03-01/">{inside}</{name}>').encode()


def error_body(code, message, extra=None):
    more = "".join(f"<{n}>{escape(v)}</{n}>" for n, v in (extra or {}).items())
    return ('<?xml version="1.0" encoding="UTF-8"?>\n'
            f"<Error><Code>{code}</Code><Message>{escape(message)}</Message>{more}"
            "<RequestId>4442587FB7D0A2F9</RequestId></Error>").encode()


def encryption_headers(encryption):
    return {f"x-amz-server-side-encryption{n}": v for n, v in encryption.items()}


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def log_message(self, format, *args):
        pass

    def do_any(self):
        self.path, _, self.query = self.path.partition("?")
        self.method = self.command
        self.parameters = {n.decode(): v.decode() for n, v in s3_signature.parse_query(self.query)}
        try:
            if self.path.startswith("/_admin/"):
                self.administrate(self.path[len("/_admin/"):])
            else:
                self.serve()
        except (Gone, ConnectionError, TimeoutError):
            self.close_connection = True

    do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = do_any

    # --- the connection ----------------------------------------------------------------------

    def read_body(self, limit=None):
        length = int(self.headers.get("content-length") or 0)
        body = self.rfile.read(length if limit is None else min(length, limit))
        if limit is None and len(body) < length:
            raise Gone
        return body

    def hang_up(self, how):
        if how == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        # Python's reader and writer hold the socket too: only its number can be closed at once.
        os.close(self.connection.detach())
        raise Gone

    def wire(self, answer):
        head = [f"HTTP/1.1 {answer.status} {self.responses.get(answer.status, ('',))[0]}"]
        headers = {"date": formatdate(self.server.now(), usegmt=True), "server": "s3-standin",
                   "x-amz-request-id": "4442587FB7D0A2F9"}
        if answer.status not in (204, 304):
            headers["content-length"] = str(len(answer.body))
        headers.update(answer.headers)
        head += [f"{n}: {v}" for n, v in headers.items()]
        with_body = self.method != "HEAD" and answer.status not in (204, 304)
        return ("\r\n".join(head) + "\r\n\r\n").encode() + (answer.body if with_body else b"")

    def wait_for_client(self):
        """Until the client closes its end; bounded, so that no thread is left behind for ever."""
        self.connection.settimeout(600)
        try:
            self.connection.recv(1)
        except OSError:
            pass
        raise Gone

    # --- one request -------------------------------------------------------------------------

    def place(self):
        """Bucket and key, from the host's name or the path."""
        path = urllib.parse.unquote(self.path)
        host = (self.headers.get("host") or "").rsplit(":", 1)[0]
        if host.endswith(".s3.localhost"):
            return host[:-len(".s3.localhost")], path[1:]
        bucket, _, key = path[1:].partition("/")
        return bucket, key

    def name_operation(self, key):
        p = self.parameters
        if self.method == "POST":
            return "CREATE" if "uploads" in p else "COMPLETE"
        if "uploadId" in p:
            return "PART" if self.method == "PUT" else "ABORT"
        if self.method == "GET" and not key:
            return "LIST"
        return self.method

    def serve(self):
        bucket, key = self.place()
        operation = self.name_operation(key)
        fault = self.server.fault_for(operation, key or self.parameters.get("prefix", ""))
        meta = {n: self.headers.get("x-amz-meta-" + n)
                for n in ("write-id", "generation", "ancestors", "fence", "job-id")}
        record = {"at": time.time(), "method": self.method, "operation": operation,
                  "bucket": bucket, "key": key, "query": self.query,
                  "if_match": self.headers.get("if-match"),
                  "if_none_match": self.headers.get("if-none-match"),
                  "write_id": meta["write-id"], "generation": meta["generation"],
                  "ancestors": meta["ancestors"], "fence": meta["fence"],
                  "job_id": meta["job-id"], "status": None, "code": None, "applied": False,
                  "apply_seq": None, "etag": None, "bytes": 0, "ended": None,
                  "fault": fault["action"] if fault else None}
        self.server.begin(record)
        try:
            self.answer(bucket, key, operation, fault or {"action": ""}, record)
        finally:
            self.server.end(record)

    def answer(self, bucket, key, operation, fault, record):
        action = fault["action"]
        if action == "reset_mid_body":
            self.read_body(fault.get("bytes", 1))
            self.hang_up("reset")
        self.body = self.read_body()
        record["bytes"] = len(self.body)
        if action == "delay":
            time.sleep(fault.get("before_ms", 0) / 1000)
        skipped = action in ("status", "redirect", "ok_with_error", "drop", "never_answer") and \
            not fault.get("apply", False)
        reply = Answer(500)
        if not skipped:
            reply = self.carry_out(bucket, key, operation, fault, record)
        if action in ("status", "redirect", "ok_with_error"):
            reply = self.scripted(fault, record)
        record["status"] = reply.status
        record["etag"] = reply.headers.get("etag")
        self.send(reply, fault)

    def scripted(self, fault, record):
        headers, extra = {}, {}
        status = {"ok_with_error": 200, "redirect": 307}.get(fault["action"], 503)
        status = fault.get("status", status)
        code = fault.get("code", {"redirect": "TemporaryRedirect", "status": "SlowDown"}.get(
            fault["action"], "InternalError"))
        if "retry_after" in fault:
            headers["retry-after"] = str(fault["retry_after"])
        if "region" in fault:
            headers["x-amz-bucket-region"] = fault["region"]
        record["code"] = code
        return Answer(status, headers, error_body(code, fault.get("message", code), extra))

    def send(self, reply, fault):
        action = fault["action"]
        if action == "truncate":
            reply.headers["content-length"] = str(len(reply.body))
            reply.body = reply.body[:len(reply.body) // 2]
        if action == "wrong_bytes" and reply.body:
            at = len(reply.body) // 2
            reply.body = reply.body[:at] + bytes([reply.body[at] ^ 1]) + reply.body[at + 1:]
        if action == "delay":
            time.sleep(fault.get("after_ms", 0) / 1000)
        if action == "drop":
            self.hang_up(fault.get("how", "close"))
        if action == "never_answer":
            self.wait_for_client()
        data = self.wire(reply)
        if action == "cut_reply":
            self.wfile.write(data[:fault.get("bytes", 1)])
            self.hang_up(fault.get("how", "close"))
        if action == "drip":
            pause = 1 / fault.get("bytes_per_second", 1)
            for i in range(len(data)):
                self.wfile.write(data[i:i + 1])
                time.sleep(pause)
            return
        self.wfile.write(data)
        if action == "truncate":
            self.hang_up("close")

    # --- what S3 does ------------------------------------------------------------------------

    def carry_out(self, bucket, key, operation, fault, record):
        try:
            s3_signature.check(self, self.server.settings["keys"],
                               self.server.settings["region"], self.server.now())
            self.permit(operation, key)
            reply = getattr(self, "op_" + operation.lower())(bucket, key, fault, record)
            record["applied"] = True
            return reply
        except Refused as refused:
            record["code"] = refused.code
            body = b"" if self.method == "HEAD" else \
                error_body(refused.code, refused.message, refused.extra)
            return Answer(refused.status, {"content-type": "application/xml", **refused.headers},
                          body)

    def permit(self, operation, key):
        needed = [ACTIONS[operation]]
        if self.headers.get("x-amz-server-side-encryption", "").startswith("aws:kms"):
            needed.append("kms:GenerateDataKey")
        for action in needed:
            if self.server.is_denied(action, key or self.parameters.get("prefix", "")):
                raise Refused(403, "AccessDenied",
                              "User: arn:aws:iam::111122223333:user/tester is not authorized to "
                              f"perform: {action} on resource: \"{key}\" with an explicit deny")
        if not self.server.settings["conditional"] and \
                (self.headers.get("if-match") or self.headers.get("if-none-match")) and \
                self.method != "GET":
            raise Refused(501, "NotImplemented",
                          "A header you provided implies functionality that is not implemented")

    def described(self):
        """Metadata and encryption that a write brings along."""
        prefix = "x-amz-server-side-encryption"
        sse = {n.lower()[len(prefix):]: v for n, v in self.headers.items()
               if n.lower().startswith(prefix)}
        if sse and sse.get("") not in ("AES256", "aws:kms", "aws:kms:dsse"):
            raise Refused(400, "InvalidArgument", "The encryption method specified is not supported")
        meta = {n.lower(): v for n, v in self.headers.items() if n.lower().startswith("x-amz-meta-")}
        size = sum(len(n) - len("x-amz-meta-") + len(v) for n, v in meta.items())
        if size > 2048:
            raise Refused(400, "MetadataTooLarge",
                          "Your metadata headers exceed the maximum allowed metadata size")
        return meta, sse

    def op_put(self, bucket, key, fault, record):
        if self.headers.get("content-length") is None:
            raise Refused(411, "MissingContentLength")
        meta, sse = self.described()
        settings = self.server.settings
        made, record["apply_seq"] = self.server.store.put(
            bucket, key, self.headers, self.body, meta, sse, settings["etag"], settings["racy"])
        return Answer(200, {"etag": made.etag, **encryption_headers(sse)})

    def op_get(self, bucket, key, fault, record):
        versions = self.server.store.bucket(bucket).get(key)
        if not versions:
            if self.server.is_denied("s3:ListBucket", key):
                raise Refused(403, "AccessDenied", "Access Denied")
            raise Refused(404, "NoSuchKey", "The specified key does not exist.", extra={"Key": key})
        found = versions[-2 if fault["action"] == "stale_get" and len(versions) > 1 else -1]
        if "aws:kms" in found.encryption.get("", "") and self.server.is_denied("kms:Decrypt", key):
            raise Refused(403, "AccessDenied", "User is not authorized to perform: kms:Decrypt")
        headers = {"etag": found.etag, "last-modified": formatdate(found.modified, usegmt=True),
                   "content-type": "application/octet-stream", "accept-ranges": "bytes",
                   **found.metadata, **encryption_headers(found.encryption)}
        if self.headers.get("if-none-match") == found.etag:
            return Answer(304, headers)
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range") or "")
        if match:
            first, last = int(match[1]), min(int(match[2]), len(found.body) - 1)
            if first > last:
                raise Refused(416, "InvalidRange", "The requested range is not satisfiable")
            headers["content-range"] = f"bytes {first}-{last}/{len(found.body)}"
            return Answer(206, headers, found.body[first:last + 1])
        return Answer(200, headers, found.body)

    op_head = op_get

    def op_delete(self, bucket, key, fault, record):
        _, record["apply_seq"] = self.server.store.delete(bucket, key, self.headers,
                                                          self.server.settings["racy"])
        return Answer(204)

    def op_list(self, bucket, key, fault, record):
        p = self.parameters
        limit = min(int(p.get("max-keys", 1000)), self.server.settings["page"])
        prefix, token = p.get("prefix", ""), p.get("continuation-token", "")
        after = bytes.fromhex(token).decode() if token else ""
        found, more = self.server.store.page(bucket, prefix, after, limit)
        stamp = "%Y-%m-%dT%H:%M:%S.000Z"
        inside = "".join(
            f"<Contents><Key>{escape(k)}</Key><LastModified>{time.strftime(stamp, time.gmtime(o.modified))}"
            f"</LastModified><ETag>{escape(o.etag, {chr(34): '&quot;'})}</ETag><Size>{len(o.body)}</Size>"
            "<StorageClass>STANDARD</StorageClass></Contents>" for k, o in found)
        if more:
            token = found[-1][0].encode().hex()
            inside += f"<NextContinuationToken>{token}</NextContinuationToken>"
        inside = (f"<Name>{bucket}</Name><Prefix>{escape(prefix)}</Prefix><KeyCount>{len(found)}</KeyCount>"
                  f"<MaxKeys>{limit}</MaxKeys><IsTruncated>{str(more).lower()}</IsTruncated>" + inside)
        return Answer(200, {"content-type": "application/xml"}, xml("ListBucketResult", inside))

    def op_create(self, bucket, key, fault, record):
        meta, sse = self.described()
        upload = self.server.store.begin(bucket, key, meta, sse)
        inside = f"<Bucket>{bucket}</Bucket><Key>{escape(key)}</Key><UploadId>{upload}</UploadId>"
        return Answer(200, encryption_headers(sse), xml("InitiateMultipartUploadResult", inside))

    def op_part(self, bucket, key, fault, record):
        p = self.parameters
        etag = self.server.store.part(p["uploadId"], bucket, key, int(p["partNumber"]), self.body)
        return Answer(200, {"etag": etag})

    def op_complete(self, bucket, key, fault, record):
        settings, name = self.server.settings, self.parameters["uploadId"]
        upload = self.server.store.uploads.get(name)
        made, record["apply_seq"] = self.server.store.complete(
            name, bucket, key, self.headers, self.body.decode(), settings["etag"], settings["racy"])
        record["write_id"] = upload["metadata"].get("x-amz-meta-write-id")
        record["generation"] = upload["metadata"].get("x-amz-meta-generation")
        record["ancestors"] = upload["metadata"].get("x-amz-meta-ancestors")
        record["fence"] = upload["metadata"].get("x-amz-meta-fence")
        record["etag"] = made.etag
        inside = f"<Key>{escape(key)}</Key><ETag>{escape(made.etag, {chr(34): '&quot;'})}</ETag>"
        return Answer(200, {}, xml("CompleteMultipartUploadResult", inside))

    def op_abort(self, bucket, key, fault, record):
        self.server.store.abort(self.parameters["uploadId"], bucket, key)
        return Answer(204)

    # --- administration ----------------------------------------------------------------------

    def administrate(self, what):
        body = self.read_body()
        reply = getattr(self, f"admin_{what}_{self.method.lower()}", None)
        if reply is None:
            result = Answer(404, body=b"no such request\n")
        else:
            result = reply(json.loads(body) if body and what != "object" else body)
        if not isinstance(result, Answer):
            result = Answer(200, {"content-type": "application/json"},
                            json.dumps(result).encode() + b"\n")
        self.wfile.write(self.wire(result))

    def admin_ready_get(self, _):
        return {"ready": True}

    def admin_requests_get(self, _):
        with self.server.mutex:
            return [dict(r) for r in self.server.records]

    def admin_faults_get(self, _):
        return self.server.faults

    def admin_faults_post(self, fault):
        with self.server.mutex:
            self.server.faults += fault if isinstance(fault, list) else [fault]
        return {}

    def admin_faults_delete(self, _):
        with self.server.mutex:
            self.server.faults = []
        return {}

    def admin_deny_post(self, rule):
        self.server.denied.append(rule)
        return {}

    def admin_deny_delete(self, _):
        self.server.denied = []
        return {}

    def admin_settings_post(self, settings):
        self.server.settings.update(settings)
        return {}

    def admin_objects_get(self, _):
        store = self.server.store
        with store.mutex:
            return {"uploads": len(store.uploads), "objects": [
                {"bucket": b, "key": k, "etag": v[-1].etag, "bytes": len(v[-1].body),
                 "versions": len(v), "metadata": v[-1].metadata, "encryption": v[-1].encryption}
                for b, keys in sorted(store.buckets.items()) for k, v in sorted(keys.items())]}

    def admin_wipe_post(self, _):
        with self.server.store.mutex:
            for keys in self.server.store.buckets.values():
                keys.clear()
        return {}

    def admin_object_get(self, _):
        found = self.server.store.find(self.parameters["bucket"], self.parameters["key"])
        return Answer(200, {}, found.body) if found else Answer(404)

    def admin_object_put(self, body):
        found = self.server.store.find(self.parameters["bucket"], self.parameters["key"])
        if not found:
            return Answer(404)
        found.body = body
        return {}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--dir", required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--bucket", action="append")
    parser.add_argument("--access-key", default="AKIDEXAMPLE")
    parser.add_argument("--secret-key", default="standin-secret-key")
    parser.add_argument("--region", default="us-east-1")
    parser.add_argument("--tls-cert")
    parser.add_argument("--tls-key")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE")
    options = parser.parse_args()
    server = Standin(options)
    for setting in options.set:
        name, _, value = setting.partition("=")
        server.settings[name] = json.loads(value)
    scheme = "https" if options.tls_cert else "http"
    print(f"ENDPOINT={scheme}://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever(poll_interval=3600)


if __name__ == "__main__":
    main()
