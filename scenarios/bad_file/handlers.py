from urllib.parse import unquote_plus


def parse(event, context):
    s3_object = event["Records"][0]["s3"]["object"]
    key = unquote_plus(s3_object["key"])
    if s3_object["size"] == 0:
        raise ValueError(f"{key} is empty")
    print(f"parsed {key}")
