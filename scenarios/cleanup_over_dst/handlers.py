def clean(event, context):
    return {"cleaned": event["due"]}


def report(event, context):
    print("report of", event["time"])
