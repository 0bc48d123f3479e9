import time


def nightly(event, context):
    time.sleep(30)
    print("cleaned up for", event["time"][:10])
