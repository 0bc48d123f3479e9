"""The functions of the demo, as they would be deployed: nothing in here knows simtriggers."""

import json
from urllib.parse import unquote_plus


def parse(event, context):
    """Run for each file: an empty one is an error, so AWS tries it again twice."""
    for record in event["Records"]:
        key = unquote_plus(record["s3"]["object"]["key"])
        size = record["s3"]["object"]["size"]
        if size == 0:
            raise ValueError(f"{key} is empty")
        print(f"parsed {key}: {size} bytes")
    return {"parsed": len(event["Records"])}


def ship(event, context):
    """Run for batches of orders: those that cannot be shipped are reported, the others are done."""
    failures = []
    for record in event["Records"]:
        order = json.loads(record["body"])
        if order["quantity"] < 1:
            print(f"order {order['id']}: cannot ship {order['quantity']} pieces")
            failures.append({"itemIdentifier": record["messageId"]})
        else:
            print(f"order {order['id']}: shipped")
    return {"batchItemFailures": failures}


def report(event, context):
    """Run by the clock."""
    print(f"report for {event['time']}")
