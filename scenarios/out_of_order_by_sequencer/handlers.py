from urllib.parse import unquote_plus

from simtriggers.simulation import current

last = {}


def later(one, other):
    length = max(len(one), len(other))
    return one.ljust(length, "0") > other.ljust(length, "0")


def index(event, context):
    for record in event["Records"]:
        key = unquote_plus(record["s3"]["object"]["key"])
        sequencer = record["s3"]["object"]["sequencer"]
        if key in last and not later(sequencer, last[key]):
            current().queue("stale").send({"key": key, "event": record["eventName"]})
            continue
        last[key] = sequencer
