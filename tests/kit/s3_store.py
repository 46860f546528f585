# SPDX-License-Identifier: Apache-2.0
"""The objects of the S3 stand-in: conditions, versions, multipart uploads, listings.

One mutex makes every conditional write atomic. In racy mode the condition is looked at first and the
write follows some milliseconds later, as some servers do it: doctor has to find that out.
"""

import hashlib
import threading
import time
import uuid
from xml.etree import ElementTree

from s3_signature import Refused

PART_MIN = 5 * 1024 * 1024
RACE_S = 0.05


def parse_parts(document):
    """[(number, ETag)] of the XML that completes an upload."""
    try:
        parts = [{child.tag.rpartition("}")[2]: child.text for child in part}
                 for part in ElementTree.fromstring(document)]
        return [(int(part["PartNumber"]), part["ETag"]) for part in parts]
    except (ElementTree.ParseError, KeyError, TypeError, ValueError):
        return []


class Object:
    def __init__(self, body, etag, metadata, encryption):
        self.body, self.etag, self.metadata, self.encryption = body, etag, metadata, encryption
        self.modified = time.time()


class Store:
    def __init__(self):
        self.mutex = threading.RLock()
        self.buckets = {}  # name -> {key: [Object, ...] newest last}
        self.uploads = {}  # id -> dict
        self.applied = 0   # numbers every change: the order in which they took effect

    def bucket(self, name):
        if name not in self.buckets:
            raise Refused(404, "NoSuchBucket", "The specified bucket does not exist",
                          extra={"BucketName": name})
        return self.buckets[name]

    def find(self, bucket, key):
        versions = self.bucket(bucket).get(key)
        return versions[-1] if versions else None

    @staticmethod
    def condition(headers):
        """(If-Match, If-None-Match) of a write, as far as S3 takes them."""
        match, none = headers.get("if-match"), headers.get("if-none-match")
        if match is not None and none is not None or none not in (None, "*"):
            raise Refused(501, "NotImplemented",
                          "A header you provided implies functionality that is not implemented")
        return match, none

    @staticmethod
    def check(found, match, none, key):
        if none is not None and found is not None:
            raise Refused(412, "PreconditionFailed",
                          "At least one of the pre-conditions you specified did not hold",
                          extra={"Condition": "If-None-Match"})
        if match is not None and found is None:
            raise Refused(404, "NoSuchKey", "The specified key does not exist.", extra={"Key": key})
        if match is not None and match not in ("*", found.etag):
            raise Refused(412, "PreconditionFailed",
                          "At least one of the pre-conditions you specified did not hold",
                          extra={"Condition": "If-Match"})

    def write(self, bucket, key, headers, racy, change):
        """Apply change() if the condition of the headers holds. Its result and the change's number."""
        match, none = self.condition(headers)
        if racy and (match or none):
            self.check(self.find(bucket, key), match, none, key)
            time.sleep(RACE_S)
            match = none = None
        with self.mutex:
            self.check(self.find(bucket, key), match, none, key)
            result = change()
            self.applied += 1
            return result, self.applied

    def etag(self, body, mode, parts=0):
        digest = uuid.uuid4().hex if mode == "opaque" else hashlib.md5(body).hexdigest()
        return f'"{digest}-{parts}"' if parts else f'"{digest}"'

    def put(self, bucket, key, headers, body, metadata, encryption, mode, racy):
        def change():
            made = Object(body, self.etag(body, mode), metadata, encryption)
            self.bucket(bucket).setdefault(key, []).append(made)
            return made
        return self.write(bucket, key, headers, racy, change)

    def delete(self, bucket, key, headers, racy):
        def change():
            return self.bucket(bucket).pop(key, None)
        return self.write(bucket, key, headers, racy, change)

    def page(self, bucket, prefix, after, limit):
        """Keys in order behind `after`, and whether there are more."""
        with self.mutex:
            keys = sorted((k for k in self.bucket(bucket) if k.startswith(prefix) and k > after),
                          key=lambda k: k.encode())
            return [(k, self.bucket(bucket)[k][-1]) for k in keys[:limit]], len(keys) > limit

    # --- multipart ---------------------------------------------------------------------------

    def begin(self, bucket, key, metadata, encryption):
        with self.mutex:
            self.bucket(bucket)
            name = uuid.uuid4().hex + ".+/" + uuid.uuid4().hex  # has to be encoded in a query
            self.uploads[name] = {"bucket": bucket, "key": key, "metadata": metadata,
                                  "encryption": encryption, "parts": {}}
            return name

    def upload(self, name, bucket, key):
        found = self.uploads.get(name)
        if found is None or (found["bucket"], found["key"]) != (bucket, key):
            raise Refused(404, "NoSuchUpload", "The specified upload does not exist.")
        return found

    def part(self, name, bucket, key, number, body):
        with self.mutex:
            etag = '"' + hashlib.md5(body).hexdigest() + '"'
            self.upload(name, bucket, key)["parts"][number] = (etag, body)
            return etag

    def complete(self, name, bucket, key, headers, document, mode, racy):
        listed = parse_parts(document)
        upload = self.upload(name, bucket, key)
        if not listed:
            raise Refused(400, "MalformedXML", "The XML you provided was not well-formed")
        if [n for n, _ in listed] != sorted({n for n, _ in listed}):
            raise Refused(400, "InvalidPartOrder", "The list of parts was not in ascending order.")
        bodies = []
        for number, etag in listed:
            have = upload["parts"].get(number)
            if have is None or have[0].strip('"') != etag.strip('"'):
                raise Refused(400, "InvalidPart", "One or more parts could not be found.")
            bodies.append(have[1])
        if any(len(b) < PART_MIN for b in bodies[:-1]):
            raise Refused(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum.")

        def change():
            body = b"".join(bodies)
            made = Object(body, self.etag(body, mode, len(bodies)), upload["metadata"],
                          upload["encryption"])
            self.bucket(bucket).setdefault(key, []).append(made)
            self.uploads.pop(name, None)
            return made
        return self.write(bucket, key, headers, racy, change)

    def abort(self, name, bucket, key):
        with self.mutex:
            self.upload(name, bucket, key)
            del self.uploads[name]
