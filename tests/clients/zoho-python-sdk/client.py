"""Zoho's own Python SDK through Wardlock: only its environment URL is changed, and an agent's token stands in place of
an access token.

Prints one line for each check and ends with 1 at the first that does not hold.
"""

import os
import sys

from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.api.authenticator.store.file_store import FileStore
from zohocrmsdk.src.com.zoho.api.logger import Logger
from zohocrmsdk.src.com.zoho.crm.api import HeaderMap, ParameterMap
from zohocrmsdk.src.com.zoho.crm.api.coql import BodyWrapper as Query
from zohocrmsdk.src.com.zoho.crm.api.coql import CoqlOperations
from zohocrmsdk.src.com.zoho.crm.api.coql import APIException as QueryRefused
from zohocrmsdk.src.com.zoho.crm.api.coql import ResponseWrapper as QueryAnswer
from zohocrmsdk.src.com.zoho.crm.api.dc import DataCenter
from zohocrmsdk.src.com.zoho.crm.api.initializer import Initializer
from zohocrmsdk.src.com.zoho.crm.api.record import (
    APIException,
    BodyWrapper,
    Field,
    GetRecordParam,
    GetRecordsParam,
    Record,
    RecordOperations,
    ResponseWrapper,
    SearchRecordsParam,
)


def check(what, holds, found=None):
    """Ends the program where something is not as it must be."""
    print(f"{'ok  ' if holds else 'FAIL'} {what}")
    if not holds:
        sys.exit(f"{what}: found {found!r}")


def parameters(**wanted):
    """Builds the SDK's parameter map."""
    built = ParameterMap()
    for parameter, value in wanted.values():
        built.add(parameter, value)
    return built


def records(response, kind=ResponseWrapper):
    """Returns an answer's records, or ends with what came in their place."""
    answer = response.get_object()
    if not isinstance(answer, kind):
        sys.exit(f"records are expected, and {type(answer).__name__} came: {told(answer)}")
    return answer.get_data()


def told(answer):
    """Returns what an APIException says."""
    if not hasattr(answer, "get_details"):
        return repr(answer)
    return {"code": answer.get_code().get_value(), "details": answer.get_details()}


def refused(what, response, kind, code, status):
    """Checks that a refusal came as the SDK's own exception, with our code in it."""
    answer = response.get_object()
    check(f"{what}: comes as APIException", isinstance(answer, kind), told(answer))
    check(f"{what}: code {code}", answer.get_code().get_value() == code.upper(), told(answer))
    # The SDK keeps only the details that Zoho's own errors have, so the message says it all.
    message = answer.get_message()
    message = message.get_value() if hasattr(message, "get_value") else message
    check(f"{what}: the message names the request", "[req_" in message, message)
    check(f"{what}: status {status}", response.get_status_code() == status, response.get_status_code())


def start(base, token, folder):
    """Starts the SDK: the recipe of the README, nothing else."""
    Initializer.initialize(
        environment=DataCenter.Environment(base, base, base),
        token=OAuthToken(access_token=token, find_user=False),
        store=FileStore(os.path.join(folder, "tokens.csv")),
        resource_path=folder,
        logger=Logger.get_instance(level=Logger.Levels.INFO, file_path=os.path.join(folder, "sdk.log")),
    )


def reads():
    """Lists, gets and searches leads, and runs COQL."""
    fields = "Last_Name,Company,Email"
    leads = RecordOperations("Leads")
    listed = records(leads.get_records(parameters(
        fields=(GetRecordsParam.fields, fields), per_page=(GetRecordsParam.per_page, 5))))
    check("lists five leads", len(listed) == 5, len(listed))
    first = listed[0]
    name = first.get_key_value("Last_Name")
    check("a listed lead has a name and an id", bool(name) and first.get_id() > 0, name)

    got = records(leads.get_record(first.get_id(), parameters(fields=(GetRecordParam.fields, fields))))
    check("gets the same lead", got[0].get_key_value("Last_Name") == name, got[0].get_key_value("Last_Name"))

    found = records(leads.search_records(parameters(
        criteria=(SearchRecordsParam.criteria, f"(Last_Name:equals:{name})"),
        fields=(SearchRecordsParam.fields, fields))))
    check("finds it by its name", first.get_id() in [lead.get_id() for lead in found], found)

    query = Query()
    query.set_select_query(f"select Last_Name, Company from Leads where Last_Name = '{name}' limit 5")
    rows = records(CoqlOperations().get_records(query), QueryAnswer)
    check("COQL finds it, too", name in [row.get_key_value("Last_Name") for row in rows], rows)


def refusals():
    """What the workspace does not allow reaches the SDK as its own exception."""
    lead = Record()
    lead.add_field_value(Field.Leads.last_name(), "Written by an agent")
    lead.add_field_value(Field.Leads.company(), "Nobody")
    body = BodyWrapper()
    body.set_data([lead])
    refused("a write", RecordOperations("Leads").create_records(body, HeaderMap()), APIException,
            "operation_not_allowed", 403)

    query = Query()
    query.set_select_query("select Last_Name from Vendors where id > 0 limit 5")
    refused("a query of a foreign module", CoqlOperations().get_records(query), QueryRefused,
            "resource_not_allowed", 403)


def elsewhere():
    """Another workspace's path."""
    query = Query()
    query.set_select_query("select Last_Name from Leads where id > 0 limit 5")
    refused("another workspace", CoqlOperations().get_records(query), QueryRefused, "workspace_mismatch", 403)


def revoked():
    """A token that is none, or not any more."""
    query = Query()
    query.set_select_query("select Last_Name from Leads where id > 0 limit 5")
    refused("a wrong token", CoqlOperations().get_records(query), QueryRefused, "unauthenticated", 401)


def main():
    base, token, folder = os.environ["BASE"], os.environ["TOKEN"], os.environ["FOLDER"]
    start(f"{base}/acme/zoho", token, folder)
    reads()
    refusals()
    start(f"{base}/globex/zoho", token, folder)
    elsewhere()
    start(f"{base}/acme/zoho", "wl_0000000000_nobody", folder)
    revoked()


if __name__ == "__main__":
    main()
