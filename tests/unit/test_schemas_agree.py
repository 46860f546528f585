#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The published JSON Schemas and our codec mean the same.

Both come from one table, so this asks an independent validator: over every golden example, and
over systematic mutations of the valid ones, it and the codec must give the same verdict. Also:
the committed schema files are what the tables print, and no shape lacks examples.
"""

import copy
import json
import os
import subprocess
import sys

import jsonschema

SRCDIR = os.environ["top_srcdir"]
BUILDDIR = os.environ["top_builddir"]
SCHEMAS = os.path.join(SRCDIR, "schemas")
EXAMPLES = os.path.join(SCHEMAS, "examples")
PRINT = os.path.join(BUILDDIR, "schemas", "print_schemas")
CHECK = os.path.join(BUILDDIR, "tests", "kit", "shape_check")

# What each value is replaced by. Text is tried with what dialects of regular expressions and
# notions of length disagree on.
OTHERS = [None, True, False, 0, 1, 1.0, -1, 1.5, 9007199254740991, 9007199254740992,
          -9007199254740992, 604800, 604801, 2592000, 2592001, 1e300, -0.0,
          "", "x", "ok", "\u0000", [], {}, [None], ["x", 1], {"x": None}]
TEXT_EDITS = [
    lambda text: text + "\n",
    lambda text: "\n" + text,
    lambda text: text + "\u0000",
    lambda text: text + "\u007f",
    lambda text: text + "\u0085",
    lambda text: text + "\u2028",
    lambda text: text + " ",
    lambda text: text.upper(),
    lambda text: text.lower(),
    lambda text: text[:-1],
    lambda text: text + text[-1:],
    lambda text: "-" + text,
    lambda text: text.replace("-", "_"),
    lambda text: text.replace(text[:1], "\u0663", 1),  # a digit, but not of ASCII
    lambda text: text + "'",
    lambda text: text + "\\",
    lambda text: text + "/",
    lambda text: text + "]",
    lambda text: "\U0001f600" * 128,
    lambda text: "\U0001f600" * 129,
    lambda text: "\u00e9" * 255,
    lambda text: "\u00e9" * 256,
    lambda text: "a" * 63,
    lambda text: "a" * 64,
    lambda text: "a" * 128,
    lambda text: "a" * 129,
]
FORBIDDEN = ["sql", "query", "statement", "path", "file", "url", "uri", "dsn", "password", "secret",
             "token", "credentials", "config", "state_path"]


class Tap:
    """Prints results and remembers whether all were well."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def check(self, problems, sentence):
        self.count += 1
        self.failed += bool(problems)
        print(f"{'not ok' if problems else 'ok'} {self.count} - {sentence}")
        for problem in problems[:10]:
            print(f"# {problem}")


def places(value, where=()):
    """Every place inside of a JSON value, outermost first."""
    yield where
    if isinstance(value, dict):
        for name in value:
            yield from places(value[name], where + (name,))
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from places(element, where + (index,))


def at(value, where):
    for step in where:
        value = value[step]
    return value


def changed(value, where, new):
    if not where:
        return new
    result = copy.deepcopy(value)
    at(result, where[:-1])[where[-1]] = new
    return result


def without(value, where):
    result = copy.deepcopy(value)
    del at(result, where[:-1])[where[-1]]
    return result


def mutations(example, is_job):
    for where in places(example):
        old = at(example, where)
        if where:
            yield without(example, where)
        for other in OTHERS:
            yield changed(example, where, other)
        if isinstance(old, str):
            for edit in TEXT_EDITS:
                yield changed(example, where, edit(old))
        if isinstance(old, dict):
            yield changed(example, where, {**old, "unknown_field": 1})
            yield changed(example, where, {**old, "": "x"})
            yield changed(example, where, {**old, "a b": "x"})
            yield changed(example, where, {**old, "a\n": "x"})
            yield changed(example, where, {**{f"k{i}": "x" for i in range(32)}})
            yield changed(example, where, {**{f"k{i}": "x" for i in range(33)}})
        if is_job and not where:
            for name in FORBIDDEN:
                yield {**old, name: None}
                yield {**old, name: "x"}


def codec_verdicts(shape, values):
    lines = "".join(f"{shape}\t{json.dumps(value)}\n" for value in values)
    done = subprocess.run([CHECK, "-b"], input=lines, capture_output=True, text=True, check=True)
    answers = done.stdout.splitlines()
    if len(answers) != len(values):
        raise RuntimeError(f"{shape}: {len(values)} asked, {len(answers)} answered: {done.stderr}")
    return answers


def disagreements(shape, validator, values):
    for value, answer in zip(values, codec_verdicts(shape, values)):
        theirs = validator.is_valid(value)
        if theirs != (answer == "ok"):
            yield f"schema: {theirs}, codec: {answer}: {json.dumps(value)[:400]}"


def read_examples(kind, shapes):
    """{shape: {file: value}}; the shape is the longest name that the file's name begins with."""
    found = {shape: {} for shape in shapes}
    directory = os.path.join(EXAMPLES, kind)
    for name in sorted(os.listdir(directory)):
        owners = [shape for shape in shapes if name.startswith(shape + ".")]
        if not owners:
            raise RuntimeError(f"{name} belongs to no shape")
        with open(os.path.join(directory, name), encoding="utf-8") as file:
            found[max(owners, key=len)][name] = json.load(file)
    return found


def stale(shapes):
    for shape in shapes:
        path = os.path.join(SCHEMAS, shape + ".schema.json")
        printed = subprocess.run([PRINT, shape], capture_output=True, text=True, check=True).stdout
        try:
            with open(path, encoding="utf-8") as file:
                same = file.read() == printed
        except FileNotFoundError:
            same = False
        if not same:
            yield f"schemas/{shape}.schema.json: run schemas/print_schemas -d schemas"
    for name in sorted(os.listdir(SCHEMAS)):
        if name.endswith(".schema.json") and name[:-len(".schema.json")] not in shapes:
            yield f"schemas/{name}: no shape of this name"


def missing_examples(shapes, valid, invalid):
    for shape in shapes:
        job = shape.startswith("job.")
        for kind, found, least in (("valid", valid, 2 if job else 1),
                                   ("invalid", invalid, 4 if job else 2)):
            if len(found[shape]) < least:
                yield f"{shape}: {len(found[shape])} {kind} examples, expected {least}"


def wrong_verdicts(shape, validator, examples, expected):
    names = list(examples)
    answers = codec_verdicts(shape, [examples[name] for name in names])
    for name, answer in zip(names, answers):
        if (answer == "ok") != expected:
            yield f"{name}: codec says {answer}"
        if validator.is_valid(examples[name]) != expected:
            yield f"{name}: schema says {not expected}"


def main():
    tap = Tap()
    shapes = subprocess.run([PRINT], capture_output=True, text=True, check=True).stdout.split()
    valid = read_examples("valid", shapes)
    invalid = read_examples("invalid", shapes)
    tap.check(list(stale(shapes)), "every committed schema file is what its table prints")
    tap.check(list(missing_examples(shapes, valid, invalid)), "every shape has its examples")
    total = 0
    for shape in shapes:
        with open(os.path.join(SCHEMAS, shape + ".schema.json"), encoding="utf-8") as file:
            schema = json.load(file)
        jsonschema.Draft202012Validator.check_schema(schema)
        validator = jsonschema.Draft202012Validator(schema)
        problems = list(wrong_verdicts(shape, validator, valid[shape], True))
        problems += wrong_verdicts(shape, validator, invalid[shape], False)
        tap.check(problems, f"{shape}: validator and codec judge its examples as they are filed")
        # One example is mutated everywhere; of the others the verdicts above are enough.
        first = next(iter(valid[shape].values()))
        mutants = list(mutations(first, shape.startswith("job.")))
        total += len(mutants)
        tap.check(list(disagreements(shape, validator, mutants)),
                  f"{shape}: validator and codec agree on mutations")
    tap.check([] if total > 3000 else [f"only {total}"], f"there were thousands of mutations")
    print(f"# {total} mutations of {len(shapes)} shapes")
    print(f"1..{tap.count}")
    return 1 if tap.failed else 0


if __name__ == "__main__":
    sys.exit(main())
