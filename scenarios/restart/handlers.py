import time


def slow(event, context):
    if event.get("fail"):
        raise RuntimeError("asked to fail")
    time.sleep(20)


def consume(event, context):
    time.sleep(15)
