"""Puts real DynamoDB clients (boto3's client and resource, the aws CLI) to work against running endpoints.

By hand, against any cluster (here three nodes of the playground), or against another server of the DynamoDB API:

    python3 -m venv /tmp/clients && /tmp/clients/bin/pip install -r tests/clients/requirements.txt
    /tmp/clients/bin/python tests/clients/run.py \
        --endpoints http://127.0.0.1:8000,http://127.0.0.1:8001,http://127.0.0.1:8002

Each request goes to the next endpoint of the list, also the pages of one listing and the polls of one waiter, so that
no test passes because one node knows what the others do not. The tables have names of their own and are deleted.

    --only updates           the tests whose name has this text, such as a module, a class or a test; can be repeated
    --without transactions   leaves a module out; can be repeated
    --access-key K --secret-key S   what requests are signed with; any pair will do where no keys are configured

Exits with 1 when a test fails.
"""

import argparse
import os
import sys
import time
import unittest
from pathlib import Path

SUITE = Path(__file__).resolve().parent / "suite"
SLOWEST_SHOWN = 8


class TimedResult(unittest.TextTestResult):
    """Remembers how long each test took."""

    def __init__(self, *arguments, **named):
        super().__init__(*arguments, **named)
        self.seconds = {}

    def startTest(self, test):
        self._begun = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        self.seconds[test.id()] = time.monotonic() - self._begun


def parse_arguments():
    parser = argparse.ArgumentParser(description="Runs real DynamoDB clients against endpoints.")
    parser.add_argument("--endpoints", required=True, help="URLs, separated by commas")
    parser.add_argument("--only", action="append", default=[], metavar="NAME")
    parser.add_argument("--without", action="append", default=[], metavar="MODULE")
    parser.add_argument("--access-key", default="AKIASLIPRINGCLIENTS0")
    parser.add_argument("--secret-key", default="the-secret-of-the-client-suite")
    parser.add_argument("--quiet", action="store_true", help="no line per test")
    return parser.parse_args()


def tests_of(suite):
    for entry in suite:
        if isinstance(entry, unittest.TestSuite):
            yield from tests_of(entry)
        else:
            yield entry


def chosen(loaded, only, without):
    left_out = {f"test_{name}" for name in without}
    modules = {path.stem for path in SUITE.glob("test_*.py")}
    if unknown := left_out - modules:
        sys.exit(f"--without: there is no module {', '.join(sorted(unknown))}")
    for test in tests_of(loaded):
        is_wanted = not only or any(text in test.id() for text in only)
        if is_wanted and not left_out.intersection(test.id().split(".")):
            yield test


def main():
    arguments = parse_arguments()
    # Nothing of the machine's own AWS configuration may reach the clients.
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(
        AWS_CONFIG_FILE=os.devnull,
        AWS_SHARED_CREDENTIALS_FILE=os.devnull,
        AWS_EC2_METADATA_DISABLED="true",
        AWS_ACCESS_KEY_ID=arguments.access_key,
        AWS_SECRET_ACCESS_KEY=arguments.secret_key,
        AWS_DEFAULT_REGION="us-east-1",
    )
    sys.path.insert(0, str(SUITE.parent))
    from suite import endpoints

    endpoints.use([url.strip().rstrip("/") for url in arguments.endpoints.split(",")])
    loaded = unittest.defaultTestLoader.discover(str(SUITE), pattern="test_*.py", top_level_dir=str(SUITE.parent))
    tests = unittest.TestSuite(chosen(loaded, arguments.only, arguments.without))
    if tests.countTestCases() == 0:
        sys.exit("there is no such test")
    verbosity = 1 if arguments.quiet else 2
    runner = unittest.TextTestRunner(stream=sys.stdout, verbosity=verbosity, resultclass=TimedResult)
    result = runner.run(tests)
    slowest = sorted(result.seconds.items(), key=lambda entry: -entry[1])[:SLOWEST_SHOWN]
    print("slowest:", ", ".join(f"{test.split('.', 1)[1]} {seconds:.1f} s" for test, seconds in slowest))
    print("requests to each endpoint:", ", ".join(f"{url} {count}" for url, count in endpoints.counts().items()))
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == "__main__":
    main()
