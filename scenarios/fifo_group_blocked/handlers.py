import json


def apply(event, context):
    for record in event["Records"]:
        change = json.loads(record["body"])
        if change["amount"] is None:
            raise ValueError(f"{change['account']}: no amount")
