def slow(event, context):
    return None
