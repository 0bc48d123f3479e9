def notify(event, context):
    for record in event["Records"]:
        print(record["Sns"]["MessageId"], record["Sns"]["Message"])
