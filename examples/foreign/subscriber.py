"""Receives WatchMe's watch events and holds each against the published schema."""

import argparse
import asyncio
import json
import pathlib
import sys

import nats
import yaml
from jsonschema import Draft202012Validator, FormatChecker
from nats.errors import TimeoutError as NothingYet
from nats.js.api import DeliverPolicy

DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "nats" / "asyncapi.yaml"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--server", default="nats://localhost:4222", help="where NATS is")
    parser.add_argument("--namespace", default="watchme", help="the prefix of the subjects")
    parser.add_argument("--count", type=int, help="end after this many events")
    parser.add_argument("--from-start", action="store_true", help="begin with the oldest event kept")
    parser.add_argument("--document", type=pathlib.Path, default=DOCUMENT, help="asyncapi.yaml")
    return parser.parse_args()


def validators(path):
    """A validator for each type of event on the channel of watch events."""
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    components = document["components"]
    found = {}
    for reference in document["channels"]["watch"]["messages"].values():
        message = components["messages"][reference["$ref"].rsplit("/", 1)[1]]
        # References are from the root of the document, so the root has to be there.
        schema = {**message["payload"]["schema"], "components": components}
        Draft202012Validator.check_schema(schema)
        found[message["name"]] = Draft202012Validator(schema, format_checker=FormatChecker())
    return found


def check(message, known):
    """The event of a message, and what is wrong with it."""
    try:
        event = json.loads(message.data)
        kind = event["type"]
    except (ValueError, TypeError, KeyError) as error:
        return None, [f"not an event: {error}"]
    if kind not in known:
        return event, [f"the document knows no type {kind}"]
    return event, [error.message for error in known[kind].iter_errors(event)]


def note(what):
    print(f"# {what}", file=sys.stderr, flush=True)


async def disconnected():
    note("disconnected")


async def reconnected():
    note("connected again")


async def main():
    options = arguments()
    known = validators(options.document)
    client = await nats.connect(
        options.server,
        max_reconnect_attempts=-1,
        reconnect_time_wait=1,
        disconnected_cb=disconnected,
        reconnected_cb=reconnected,
    )
    policy = DeliverPolicy.ALL if options.from_start else DeliverPolicy.NEW
    # An ordered consumer makes itself anew when it has missed something.
    events = await client.jetstream().subscribe(
        f"{options.namespace}.watch.v1.>", ordered_consumer=True, deliver_policy=policy
    )
    note("ready")
    received = 0
    while options.count is None or received < options.count:
        try:
            message = await events.next_msg(timeout=60)
        except NothingYet:
            continue
        received += 1
        event, wrong = check(message, known)
        if wrong:
            print(f"invalid {message.subject}: {'; '.join(wrong)}", flush=True)
            return 1
        data = event["data"]
        movie = data.get("movie", {}).get("movieName", "-")
        print(f"valid {event['type']} {event['subject']} {data['seq']} {movie}", flush=True)
    await client.close()
    return 0


if __name__ == "__main__":
    try:
        sys.exit(asyncio.run(main()))
    except KeyboardInterrupt:
        pass
