"""Clients of which each request goes to the next endpoint of the list.

A request is turned to its endpoint just before it is signed. So the pages of a paginator, the polls of a waiter and
the requests of a resource go round as well.
"""

import itertools
import threading
from functools import cache
from urllib.parse import urlsplit, urlunsplit

import boto3
from botocore.config import Config

# As many as the threads of the busiest test.
CONNECTIONS_PER_ENDPOINT = 64

# No request of the suite may take longer. Nothing is retried: a failure is seen, not hidden.
PATIENCE_S = 30

_endpoints = []
_turns = itertools.count()
_counted = threading.Lock()
_counts = {}


def use(urls):
    """Sets the endpoints. Called once, before any client is made."""
    _endpoints[:] = urls
    _counts.update((url, 0) for url in urls)


def counts():
    """How many requests each endpoint has had."""
    return dict(_counts)


def next_endpoint():
    """The endpoint whose turn it is."""
    url = _endpoints[next(_turns) % len(_endpoints)]
    with _counted:
        _counts[url] += 1
    return url


def all_endpoints():
    """All of them."""
    return list(_endpoints)


@cache
def client(checks_parameters=True):
    """The client. Without its own checks of parameters it sends what only the server can refuse."""
    return _session().client("dynamodb", endpoint_url=_endpoints[0], config=_config(checks_parameters))


@cache
def resource():
    """The resource."""
    return _session().resource("dynamodb", endpoint_url=_endpoints[0], config=_config(True))


def client_of(url):
    """A client of one endpoint alone."""
    return boto3.session.Session().client("dynamodb", endpoint_url=url, config=_config(True))


def _config(checks_parameters):
    return Config(
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=PATIENCE_S,
        read_timeout=PATIENCE_S,
        max_pool_connections=CONNECTIONS_PER_ENDPOINT,
        parameter_validation=checks_parameters,
    )


@cache
def _session():
    session = boto3.session.Session()
    session.events.register("before-sign.dynamodb", _turn)
    return session


def _turn(request, **_):
    whole, target = urlsplit(request.url), urlsplit(next_endpoint())
    request.url = urlunsplit((target.scheme, target.netloc, whole.path, whole.query, whole.fragment))
