"""The aws CLI, end to end: a table made, used and deleted by commands, each sent to the next node."""

import json
import os
import subprocess
import sys
import tempfile

from . import endpoints
from .case import Case, delete_table, unique_name

# The `aws` that is installed beside this Python.
AWS = os.path.join(os.path.dirname(sys.executable), "aws")


class Cli(Case):
    has_table = False

    def run_aws(self, *arguments):
        """Runs a command of `aws dynamodb` against the next node."""
        command = [sys.executable, AWS, "dynamodb", *arguments, "--endpoint-url", endpoints.next_endpoint(), "--output", "json"]
        return subprocess.run(command, capture_output=True, text=True, timeout=60)

    def aws(self, *arguments):
        """What a command answers. It must succeed."""
        result = self.run_aws(*arguments)
        self.assertEqual(result.returncode, 0, f"{arguments}: {result.stderr}")
        return json.loads(result.stdout) if result.stdout.strip() else {}

    def test_a_table_from_beginning_to_end(self):
        name = unique_name()
        self.addCleanup(delete_table, name)
        table = ("--table-name", name)
        self.aws(
            "create-table", *table, "--billing-mode", "PAY_PER_REQUEST",
            "--attribute-definitions", "AttributeName=id,AttributeType=S", "AttributeName=sk,AttributeType=N",
            "--key-schema", "AttributeName=id,KeyType=HASH", "AttributeName=sk,KeyType=RANGE",
            "--tags", "Key=team,Value=shop",
        )
        self.aws("wait", "table-exists", *table)
        description = self.aws("describe-table", *table)["Table"]
        self.assertEqual((description["TableName"], description["TableStatus"]), (name, "ACTIVE"))

        # This version of the CLI takes bytes as they are and prints them in Base64.
        self.aws("put-item", *table, "--item", '{"id": {"S": "a"}, "sk": {"N": "1"}, "n": {"N": "5"}, "b": {"B": "hi"}}')
        key = '{"id": {"S": "a"}, "sk": {"N": "1"}}'
        found = self.aws("get-item", *table, "--key", key, "--consistent-read")["Item"]
        self.assertEqual(found, {"id": {"S": "a"}, "sk": {"N": "1"}, "n": {"N": "5"}, "b": {"B": "aGk="}})
        changed = self.aws(
            "update-item", *table, "--key", key, "--update-expression", "SET n = n + :one",
            "--expression-attribute-values", '{":one": {"N": "1"}}', "--return-values", "UPDATED_NEW",
        )
        self.assertEqual(changed["Attributes"], {"n": {"N": "6"}})
        refused = self.run_aws(
            "delete-item", *table, "--key", key, "--condition-expression", "n = :n",
            "--expression-attribute-values", '{":n": {"N": "0"}}',
        )
        self.assertNotEqual(refused.returncode, 0)
        self.assertIn("(ConditionalCheckFailedException) when calling the DeleteItem operation", refused.stderr)
        self.assertIn("The conditional request failed", refused.stderr)

        with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
            put = lambda sk: {"PutRequest": {"Item": {"id": {"S": "a"}, "sk": {"N": str(sk)}}}}
            json.dump({name: [put(sk) for sk in range(2, 12)]}, file)
            file.flush()
            written = self.aws("batch-write-item", "--request-items", f"file://{file.name}")
        self.assertEqual(written["UnprocessedItems"], {})
        asked = json.dumps({name: {"Keys": [{"id": {"S": "a"}, "sk": {"N": "7"}}], "ConsistentRead": True}})
        answer = self.aws("batch-get-item", "--request-items", asked)
        self.assertEqual(answer["Responses"][name], [{"id": {"S": "a"}, "sk": {"N": "7"}}])

        query = (
            "query", *table, "--key-condition-expression", "id = :id", "--expression-attribute-values",
            '{":id": {"S": "a"}}', "--consistent-read",
        )
        # The CLI asks for page after page by itself.
        found = self.aws(*query, "--page-size", "3")
        self.assertEqual([int(item["sk"]["N"]) for item in found["Items"]], list(range(1, 12)))
        found = self.aws(*query, "--max-items", "4", "--no-scan-index-forward")
        self.assertEqual([int(item["sk"]["N"]) for item in found["Items"]], [11, 10, 9, 8])
        self.assertIn("NextToken", found)
        found = self.aws("scan", *table, "--select", "COUNT", "--consistent-read")
        self.assertEqual(found["Count"], 11)

        tags = self.aws("list-tags-of-resource", "--resource-arn", description["TableArn"])["Tags"]
        self.assertEqual(tags, [{"Key": "team", "Value": "shop"}])
        self.aws("delete-item", *table, "--key", key)
        self.aws("delete-table", *table)
        self.aws("wait", "table-not-exists", *table)
