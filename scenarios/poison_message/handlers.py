import json


def ship(event, context):
    failures = []
    for record in event["Records"]:
        order = json.loads(record["body"])
        if order["quantity"] < 1:
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}
