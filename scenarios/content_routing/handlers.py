def ship(event, context):
    print("ship", event["detail"]["id"])
