"""Who the fuzzer is. It may end its own account and does: then it gets another one."""

import json
import os
import urllib.request
import uuid

import schemathesis

URL = os.environ["WATCHME_FUZZ_URL"] + "/api/v1"
CALLER = os.environ["WATCHME_FUZZ_CALLER"]
PASSWORD = "a fuzzer's own pass phrase"
# What a caller is answered whose account or session is gone, or who is an admin no more.
SPENT = {"account_inactive", "session_ended", "token_expired"}
if CALLER == "admin":
    SPENT.add("admin_only")


def send(method, path, body=None, token=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = f"Bearer {token}"
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(URL + path, data, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def login(email, password):
    return send("POST", "/auth/login", {"email": email, "password": password})["accessToken"]


class Founder:
    """The first admin, who makes the others. Nothing may happen to this account."""

    def __init__(self):
        email = os.environ["WATCHME_FUZZ_ADMIN_EMAIL"]
        self.credentials = (email, os.environ["WATCHME_FUZZ_ADMIN_PASSWORD"])
        self.id = send("GET", "/users/me", token=login(*self.credentials))["id"]

    def promote(self, user):
        standing = {"role": "admin"}
        send("PATCH", f"/admin/users/{user}", standing, login(*self.credentials))


FOUNDER = Founder()


def account():
    """The token of a new account that has something to see."""
    email = f"{uuid.uuid4()}@example.com"
    account = {"email": email, "password": PASSWORD, "name": "Fuzzer"}
    user = send("POST", "/auth/register", account)["id"]
    if CALLER == "admin":
        FOUNDER.promote(user)
    token = login(email, PASSWORD)
    for package in send("GET", "/packages?pageSize=2", token=token)["data"]:
        send("POST", "/subscriptions", {"packageId": package["id"]}, token)
    return token


class Account:
    token = None


# Not cached by the library: whether an account still counts is seen in the answers.
@schemathesis.auth(refresh_interval=None)
class Bearer:
    def get(self, case, context):
        # Without a provider the library would sign itself up.
        if CALLER == "anonymous":
            return None
        Account.token = Account.token or account()
        return Account.token

    def set(self, case, data, context):
        case.headers = case.headers or {}
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def before_call(context, case, **kwargs):
    # A key that comes again with other parameters is refused, which no schema can say.
    if case.headers and case.meta and case.meta.generation.mode.is_positive:
        if "Idempotency-Key" in case.headers:
            case.headers["Idempotency-Key"] = str(uuid.uuid4())
    if case.path_parameters and case.path_parameters.get("id") == FOUNDER.id:
        case.path_parameters["id"] = str(uuid.UUID(int=0))


@schemathesis.hook
def after_call(context, case, response):
    if response.status_code in (401, 403):
        try:
            code = response.json().get("code")
        except ValueError:
            return
        if code in SPENT:
            Account.token = None
