def book(event, context):
    print("booked", event["detail"]["id"], event.get("replay-name", "live"))
