import json


def ship(event, context):
    return [json.loads(record["body"])["id"] for record in event["Records"]]
