"""Many clients at once, through all nodes: no increment is lost, and a lock has one holder."""

import threading
import uuid

from botocore.exceptions import ClientError

from .case import CONDITION_FAILED, Case, L, N, S, SS

THREADS = 64


def at_once(count, work):
    """Runs `work(number)` in as many threads. What they return; the first failure is raised."""
    results, failures, begun = [None] * count, [], threading.Barrier(count)

    def run(number):
        try:
            begun.wait()
            results[number] = work(number)
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise AssertionError(f"{len(failures)} of {count} failed, the first: {failures[0]!r}") from failures[0]
    return results


class Concurrency(Case):
    def is_done(self, operation, **parameters):
        """Whether the condition of a write was met."""
        try:
            getattr(self.client, operation)(TableName=self.table, **parameters)
        except ClientError as error:
            if error.response["Error"]["Code"] != CONDITION_FAILED:
                raise
            return False
        return True

    def test_increments_of_one_counter(self):
        key, each = self.key(), 8

        def increment(_):
            seen = []
            for _ in range(each):
                answer = self.client.update_item(
                    TableName=self.table, Key=key, UpdateExpression="ADD hits :one",
                    ExpressionAttributeValues={":one": N(1)}, ReturnValues="UPDATED_NEW",
                )
                seen.append(int(answer["Attributes"]["hits"]["N"]))
            return seen

        answers = at_once(THREADS, increment)
        self.assertEqual(self.get(key)["hits"], N(THREADS * each))
        # Each increment has had the counter for itself, and no client has seen it go back.
        self.assertEqual(sorted(hit for seen in answers for hit in seen), list(range(1, THREADS * each + 1)))
        self.assertTrue(all(seen == sorted(seen) for seen in answers))

    def test_increments_with_set(self):
        key = self.put(hits=N(0))
        at_once(16, lambda _: self.client.update_item(
            TableName=self.table, Key=key, UpdateExpression="SET hits = hits + :one, #l = list_append(if_not_exists(#l, :none), :l)",
            ExpressionAttributeNames={"#l": "list"},
            ExpressionAttributeValues={":one": N(1), ":none": L(), ":l": L(S(uuid.uuid4().hex))},
        ))
        found = self.get(key)
        self.assertEqual(found["hits"], N(16))
        self.assertEqual(len({element["S"] for element in found["list"]["L"]}), 16)

    def test_members_added_to_one_set(self):
        key = self.key()
        at_once(32, lambda number: self.client.update_item(
            TableName=self.table, Key=key, UpdateExpression="ADD tags :tag",
            ExpressionAttributeValues={":tag": SS(f"tag-{number}")},
        ))
        self.assertEqual(set(self.get(key)["tags"]["SS"]), {f"tag-{number}" for number in range(32)})

    def test_only_one_creates_an_item(self):
        for _ in range(5):
            key = self.key()
            won = at_once(16, lambda number: self.is_done(
                "put_item", Item={**key, "by": N(number)}, ConditionExpression="attribute_not_exists(id)"
            ))
            self.assertEqual(won.count(True), 1)
            self.assertEqual(self.get(key)["by"], N(won.index(True)))

    def test_a_conditional_put_as_a_lock(self):
        lock, counter = self.key(), self.put(n=N(0))
        inside, seen_together = set(), []

        def work(number):
            entered = 0
            while entered < 2:
                mine = f"{number}-{uuid.uuid4().hex}"
                if not self.is_done(
                    "put_item", Item={**lock, "holder": S(mine)}, ConditionExpression="attribute_not_exists(id)"
                ):
                    continue
                inside.add(number)
                if len(inside) > 1:
                    seen_together.append(sorted(inside))
                # Neither atomic nor conditional: right only where the lock is.
                n = int(self.get(counter)["n"]["N"])
                self.client.put_item(TableName=self.table, Item={**counter, "n": N(n + 1)})
                inside.discard(number)
                released = self.is_done(
                    "delete_item", Key=lock, ConditionExpression="holder = :me",
                    ExpressionAttributeValues={":me": S(mine)},
                )
                assert released, "somebody else holds a lock that was not released"
                entered += 1

        at_once(6, work)
        self.assertEqual(seen_together, [])
        self.assertEqual(self.get(counter)["n"], N(12))

    def test_versions_that_are_counted(self):
        key = self.put(version=N(0), trail=L())

        def work(number):
            for _ in range(3):
                while True:
                    found = self.get(key)
                    version = int(found["version"]["N"])
                    item = {**key, "version": N(version + 1), "trail": L(*found["trail"]["L"], N(number))}
                    if self.is_done(
                        "put_item", Item=item, ConditionExpression="#v = :v", ExpressionAttributeNames={"#v": "version"},
                        ExpressionAttributeValues={":v": N(version)},
                    ):
                        break

        at_once(5, work)
        found = self.get(key)
        self.assertEqual(found["version"], N(15))
        self.assertEqual(sorted(int(n["N"]) for n in found["trail"]["L"]), sorted(list(range(5)) * 3))
