def charge(event, context):
    return {"charged": len(event["Records"])}
