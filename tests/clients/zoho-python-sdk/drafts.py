"""A lead that Zoho's own Python SDK creates where writes wait for a person.

`create` prints the draft that the SDK was told of; `count N` checks that so many of its leads are there.
"""

import os
import re
import sys

from client import APIException, parameters, records, start, told
from zohocrmsdk.src.com.zoho.crm.api import HeaderMap
from zohocrmsdk.src.com.zoho.crm.api.record import (
    BodyWrapper,
    Field,
    Record,
    RecordOperations,
    SearchRecordsParam,
)

NAME = "Waiting-For-A-Person"


def create():
    """Creates a lead, which is held, and returns the draft's id."""
    lead = Record()
    lead.add_field_value(Field.Leads.last_name(), NAME)
    lead.add_field_value(Field.Leads.company(), "Nordwind")
    body = BodyWrapper()
    body.set_data([lead])
    response = RecordOperations("Leads").create_records(body, HeaderMap())
    answer = response.get_object()
    if not isinstance(answer, APIException) or answer.get_code().get_value() != "HELD":
        sys.exit(f"its own exception with HELD is expected, and came: {told(answer)}")
    if response.get_status_code() != 403:
        sys.exit(f"403 is expected, and came: {response.get_status_code()}")
    message = answer.get_message()
    message = message.get_value() if hasattr(message, "get_value") else message
    found = re.search(r"http://127\.0\.0\.1:\d+/-/drafts/(draft_[0-9a-f]+)", message)
    if "an operator approves or rejects it" not in message or not found:
        sys.exit(f"what to do and the draft's URL are expected, and came: {message}")
    return found.group(1)


def count():
    """Returns how many of its leads are there."""
    response = RecordOperations("Leads").search_records(parameters(
        criteria=(SearchRecordsParam.criteria, f"(Last_Name:equals:{NAME})"),
        fields=(SearchRecordsParam.fields, "Last_Name")))
    # Zoho answers 204 where nothing is found.
    return 0 if response is None or response.get_status_code() == 204 else len(records(response))


def main():
    start(f"{os.environ['BASE']}/acme/intake", os.environ["TOKEN"], os.environ["FOLDER"])
    if sys.argv[1] == "create":
        print(create())
    elif count() != int(sys.argv[2]):
        sys.exit(f"{sys.argv[2]} leads are expected, and {count()} are there")


main()
