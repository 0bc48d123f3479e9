from urllib.parse import unquote_plus

from simtriggers.simulation import current


def shrink(event, context):
    for record in event["Records"]:
        key = unquote_plus(record["s3"]["object"]["key"])
        picture = current().bucket("uploads").get(key)
        current().bucket("thumbnails").put(f"small/{key}", picture[:10], metadata={"original": str(len(picture))})
