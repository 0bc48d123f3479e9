"""From a crontab line to AWS's cron, for people who bring one along.

AWS's fields end with the year, weekdays count from 1 = SUN instead of 0, and one of the two day fields is `?`.
"""

from __future__ import annotations

import re

_WORDS = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_DAYS = ("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN")


def from_crontab(text: str) -> str | None:
    """`cron(...)` for a crontab's five fields or its words such as `@daily`; None when it is neither, or when
    AWS has nothing like it.

    >>> from_crontab("5 * * * *")
    'cron(5 * * * ? *)'
    >>> from_crontab("0 9 * * 1-5")
    'cron(0 9 ? * MON-FRI *)'
    >>> from_crontab("0 0 1 * 1")  # the first of a month and every Monday: two rules on AWS

    What comes out may still be no schedule: `parse_schedule` says so.
    """
    fields = _WORDS.get(text, text).split()
    if len(fields) != 5:
        return None
    minute, hour, date, month, weekday = fields
    if weekday in ("*", "?"):
        weekday = "?"
    elif date in ("*", "?"):
        date, weekday = "?", _weekdays(weekday)
    else:
        return None
    return f"cron({minute} {hour} {date if date != '?' or weekday != '?' else '*'} {month} {weekday} *)"


def _weekdays(field: str) -> str:
    """The field with names for its numbers; those behind a / are steps and stay."""
    return re.sub(r"(?<![/\w])[0-7](?!\w)", lambda found: _DAYS[int(found[0])], field)
