"""Judges texts by their schemas, with the jsonschema library.

A line of the file: {"schema": …, "text": "JSON"}.
"""
import json
import sys

import jsonschema

for number, line in enumerate(open(sys.argv[1], encoding="utf-8"), 1):
    case = json.loads(line)
    try:
        jsonschema.validate(
            json.loads(case["text"]), case["schema"],
            cls=jsonschema.Draft202012Validator,
            format_checker=jsonschema.FormatChecker())
    except Exception as error:  # of JSON, or of the schema
        sys.exit(f"{number}: {case['text']!r}: {error}")
