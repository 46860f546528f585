#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""schemas/asyncapi.yaml is a sound AsyncAPI 3.0 document, complete, and true.

Sound: required fields, every reference resolves, operations use their channel's messages.
Complete: every message shape is the payload of one message. True: messages as our codec writes
them fit the headers, key and payload that the document states.
"""

import json
import os
import subprocess
import sys

import jsonschema
import yaml

SCHEMAS = os.path.join(os.environ["top_srcdir"], "schemas")
BUILDDIR = os.environ["top_builddir"]


class Document:
    """The document with its references."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.root = yaml.safe_load(file)

    def at(self, reference):
        """What a reference means; KeyError or OSError when nothing."""
        if reference.startswith("#/"):
            value = self.root
            for step in reference[2:].split("/"):
                value = value[step.replace("~1", "/").replace("~0", "~")]
            return value
        with open(os.path.join(SCHEMAS, reference), encoding="utf-8") as file:
            return json.load(file)

    def resolved(self, value):
        """A copy of the value with all references replaced by what they mean."""
        if isinstance(value, dict):
            if "$ref" in value:
                return self.resolved(self.at(value["$ref"]))
            return {name: self.resolved(inner) for name, inner in value.items()}
        if isinstance(value, list):
            return [self.resolved(inner) for inner in value]
        return value


def references(value):
    if isinstance(value, dict):
        for name, inner in value.items():
            if name == "$ref":
                yield inner
            else:
                yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


def dangling(document):
    for reference in references(document.root):
        try:
            document.at(reference)
        except (KeyError, OSError) as error:
            yield f"{reference}: {error!r}"


def structure(document):
    root = document.root
    if root.get("asyncapi") != "3.0.0":
        yield "asyncapi is not 3.0.0"
    for name in ("title", "version"):
        if not root.get("info", {}).get(name):
            yield f"info.{name} is missing"
    for name, server in root.get("servers", {}).items():
        if not server.get("host") or not server.get("protocol"):
            yield f"server {name}: host and protocol are required"
    for name, channel in root["channels"].items():
        if not channel.get("address") or not channel.get("messages"):
            yield f"channel {name}: address or messages missing"
        wanted = [part.split("}")[0] for part in channel["address"].split("{")[1:]]
        if wanted != list(channel.get("parameters", {})):
            yield f"channel {name}: parameters do not fit the address"
    for name, operation in root["operations"].items():
        if operation.get("action") not in ("send", "receive"):
            yield f"operation {name}: action"
        channel = operation["channel"]["$ref"]
        if not channel.startswith("#/channels/"):
            yield f"operation {name}: the channel is not one of the root's"
        for message in operation.get("messages", []):
            if not message["$ref"].startswith(channel + "/messages/"):
                yield f"operation {name}: {message['$ref']} is not of its channel"
        reply = operation.get("reply", {})
        for message in reply.get("messages", []):
            if not message["$ref"].startswith(reply["channel"]["$ref"] + "/messages/"):
                yield f"operation {name}: reply {message['$ref']} is not of its channel"


def unused(document):
    """Channels without an operation (unless reserved), messages without a channel."""
    used = {operation["channel"]["$ref"] for operation in document.root["operations"].values()}
    for name, channel in document.root["channels"].items():
        if "#/channels/" + name not in used and channel.get("x-status") != "reserved":
            yield f"channel {name} has no operation"
    carried = {message["$ref"] for channel in document.root["channels"].values()
               for message in channel["messages"].values()}
    for name in document.root["components"]["messages"]:
        if "#/components/messages/" + name not in carried:
            yield f"message {name} is in no channel"


def payload_of(message):
    return message["payload"]["schema"]["$ref"] if isinstance(message["payload"], dict) else None


def incomplete(document):
    command = os.path.join(BUILDDIR, "schemas", "print_schemas")
    shapes = subprocess.run([command], capture_output=True, text=True, check=True).stdout.split()
    wanted = {f"./{shape}.schema.json" for shape in shapes if not shape.startswith("output.")}
    found = [payload_of(message) for message in document.root["components"]["messages"].values()]
    for payload in sorted(wanted):
        if found.count(payload) != 1:
            yield f"{payload}: payload of {found.count(payload)} messages"
    for payload in found:
        if payload is not None and payload not in wanted:
            yield f"{payload}: payload, but no message shape"


def wrong_names(document):
    for name, message in document.resolved(document.root["components"]["messages"]).items():
        if name == "deadLetter":
            continue
        if message["headers"]["allOf"][1]["properties"]["ce_type"]["const"] != message["name"]:
            yield f"{name}: ce_type is not its name"
        schema = message["payload"]["schema"]["$id"].split(":")[-2]
        if "rocky." + schema.removeprefix("event.") != message["name"]:
            yield f"{name}: payload {schema} does not fit its name"


def untrue(document):
    command = os.path.join(BUILDDIR, "tests", "kit", "message_samples")
    done = subprocess.run([command], capture_output=True, text=True, check=True)
    messages = document.resolved(document.root["components"]["messages"])
    samples = [json.loads(line) for line in done.stdout.splitlines()]
    for name in set(messages) - {sample["message"] for sample in samples}:
        yield f"{name}: no sample"
    for sample in samples:
        name, message = sample["message"], messages[sample["message"]]
        parts = [("headers", message["headers"], sample["headers"])]
        if name != "deadLetter":
            parts.append(("key", message["bindings"]["kafka"]["key"], sample["key"]))
        if name.startswith("job") and "x-attempt" in sample["headers"]:
            parts.append(("body", message["payload"]["schema"], json.loads(sample["value"])))
        for part, schema, value in parts:
            jsonschema.Draft202012Validator.check_schema(schema)
            for error in jsonschema.Draft202012Validator(schema).iter_errors(value):
                yield f"{name}: {part}: {error.message}"
        # A schema that takes anything would let all of the above pass.
        for header in sample["headers"]:
            if header in ("ce_id", "ce_type", "dlq-reason", "x-job-id") and name != "workerAlarm":
                less = {key: text for key, text in sample["headers"].items() if key != header}
                optional = header == "x-job-id" and name not in (
                    "jobRun", "jobPlan", "jobApply", "jobCancel", "jobResult")
                if jsonschema.Draft202012Validator(message["headers"]).is_valid(less) != optional:
                    yield f"{name}: headers without {header}"


def main():
    document = Document(os.path.join(SCHEMAS, "asyncapi.yaml"))
    failed = 0
    checks = [
        (dangling, "every reference resolves"),
        (structure, "required fields are there and operations fit their channels"),
        (unused, "every channel and message is used"),
        (incomplete, "every message shape is the payload of one message"),
        (wrong_names, "names, ce_type and payload belong together"),
        (untrue, "messages as our codec writes them fit the document"),
    ]
    print(f"1..{len(checks)}")
    for number, (check, sentence) in enumerate(checks, 1):
        problems = list(check(document))
        failed += bool(problems)
        print(f"{'not ok' if problems else 'ok'} {number} - {sentence}")
        for problem in problems[:10]:
            print(f"# {problem}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
