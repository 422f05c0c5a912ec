"""Scans: every item once, in one piece, in pages and in segments."""

import threading

from .case import Case, N, S, VALIDATION


class Scans(Case):
    sort = "N"
    partitions = 25
    per_partition = 4

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.keys = {(f"p{p}", at) for p in range(cls.partitions) for at in range(cls.per_partition)}
        requests = [
            {"PutRequest": {"Item": {"id": S(p), "sk": N(at), "x": S(p + "!"), "y": N(at * 10)}}} for p, at in cls.keys
        ]
        for first in range(0, len(requests), 25):
            answer = cls.client.batch_write_item(RequestItems={cls.table: requests[first : first + 25]})
            assert not answer["UnprocessedItems"], answer

    def scan(self, **parameters):
        """All pages."""
        parameters = {"TableName": self.table, "ConsistentRead": True, **parameters}
        pages = [self.client.scan(**parameters)]
        while start := pages[-1].get("LastEvaluatedKey"):
            self.assertLess(len(pages), 1000, "the pages come to an end")
            self.assertEqual(set(start), {"id", "sk"})
            pages.append(self.client.scan(**{**parameters, "ExclusiveStartKey": start}))
        return pages

    def found(self, pages):
        return [(item["id"]["S"], int(item["sk"]["N"])) for page in pages for item in page["Items"]]

    def assert_all_once(self, found):
        self.assertEqual(sorted(found), sorted(self.keys))

    def test_all_in_pages_of_any_size(self):
        for limit in (1000, 33, 7, 1):
            with self.subTest(limit=limit):
                pages = self.scan(Limit=limit)
                self.assertTrue(all(page["Count"] == len(page["Items"]) <= limit for page in pages))
                self.assert_all_once(self.found(pages))

    def test_the_order_is_the_same_each_time(self):
        self.assertEqual(self.found(self.scan()), self.found(self.scan(Limit=9)))

    def test_items_of_a_partition_key_come_together_in_order(self):
        found = self.found(self.scan(Limit=11))
        partitions = [p for p, _ in found]
        self.assertEqual(len([at for at in range(1, len(found)) if partitions[at] != partitions[at - 1]]), 24)
        for partition in set(partitions):
            self.assertEqual([at for p, at in found if p == partition], list(range(self.per_partition)))

    def test_segments_have_every_item_once(self):
        for total in (1, 2, 3, 7, 64):
            with self.subTest(total=total):
                segments = [self.found(self.scan(Segment=at, TotalSegments=total)) for at in range(total)]
                self.assert_all_once([key for segment in segments for key in segment])
        by_partition = [{p for p, _ in segment} for segment in segments]
        self.assertEqual(sum(map(len, by_partition)), self.partitions, "a partition key is in one segment")

    def test_segments_in_pages_beside_each_other(self):
        total, found, failures = 4, [], []

        def scan(segment):
            try:
                found.extend(self.found(self.scan(Segment=segment, TotalSegments=total, Limit=5)))
            except Exception as failure:
                failures.append(failure)

        threads = [threading.Thread(target=scan, args=(segment,)) for segment in range(total)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failures, [])
        self.assert_all_once(found)

    def test_filter(self):
        parameters = {"FilterExpression": "y >= :y", "ExpressionAttributeValues": {":y": N(20)}}
        pages = self.scan(**parameters)
        self.assertEqual(sorted(self.found(pages)), sorted(key for key in self.keys if key[1] >= 2))
        counts = (sum(page["Count"] for page in pages), sum(page["ScannedCount"] for page in pages))
        self.assertEqual(counts, (50, 100))
        page = self.client.scan(TableName=self.table, Limit=4, ConsistentRead=True, **parameters)
        self.assertEqual((page["Count"], page["ScannedCount"]), (2, 4))

    def test_a_filter_may_be_about_the_key(self):
        parameters = {"FilterExpression": "id = :id AND #sk > :at", "ExpressionAttributeNames": {"#sk": "sk"}}
        values = {":id": S("p3"), ":at": N(1)}
        found = self.found(self.scan(**parameters, ExpressionAttributeValues=values))
        self.assertEqual(found, [("p3", 2), ("p3", 3)])

    def test_projection(self):
        for page in self.scan(ProjectionExpression="x, #sk", ExpressionAttributeNames={"#sk": "sk"}):
            self.assertTrue(all(set(item) == {"x", "sk"} for item in page["Items"]))

    def test_count(self):
        pages = self.scan(Select="COUNT")
        self.assertEqual(sum(page["Count"] for page in pages), 100)
        self.assertTrue(all("Items" not in page for page in pages))

    def test_paginator(self):
        paginator = self.client.get_paginator("scan")
        pages = paginator.paginate(TableName=self.table, ConsistentRead=True, PaginationConfig={"PageSize": 30})
        self.assert_all_once(self.found(pages))

    def test_without_consistency_in_the_end(self):
        for _ in range(300):
            pages = self.scan(ConsistentRead=False)
            if sum(page["Count"] for page in pages) == 100:
                return self.assert_all_once(self.found(pages))
        self.fail("writes that were acknowledged never came to be seen")

    def test_a_start_that_is_no_item(self):
        after = {"id": S("p3"), "sk": N("1.5")}
        page = self.client.scan(TableName=self.table, ExclusiveStartKey=after, Limit=2, ConsistentRead=True)
        self.assertEqual(self.found([page]), [("p3", 2), ("p3", 3)])

    def test_segments_that_there_are_not(self):
        scan = lambda text, **parameters: self.invalid(text, "scan", TableName=self.table, **parameters)
        scan(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is present",
            Segment=0,
        )
        scan(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is present",
            TotalSegments=2,
        )
        scan(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: 2 is not less "
            "than TotalSegments: 2",
            Segment=2, TotalSegments=2,
        )
        scan(
            "1 validation error detected: Value '1000001' at 'totalSegments' failed to satisfy constraint: Member must "
            "have value less than or equal to 1000000",
            Segment=0, TotalSegments=1000001,
        )

    def test_a_start_of_another_segment(self):
        total = 2
        for segment in range(total):
            pages = self.scan(Segment=segment, TotalSegments=total, Limit=3)
            start, other = pages[0]["LastEvaluatedKey"], 1 - segment
            text = (
                "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with "
                f"correct Segment. TotalSegments: {total} Segment: {other}"
            )
            parameters = {"ExclusiveStartKey": start, "Segment": other, "TotalSegments": total}
            self.refused(VALIDATION, text, "scan", TableName=self.table, **parameters)


class ScansWhileItemsChange(Case):
    def test_what_stays_is_found_once(self):
        staying = {f"stays-{at}" for at in range(60)}
        put = lambda name: self.client.put_item(TableName=self.table, Item={"id": S(name)})
        for name in staying:
            put(name)
        found, parameters, turn = [], {"TableName": self.table, "ConsistentRead": True, "Limit": 4}, 0
        while turn < 100:
            page = self.client.scan(**parameters)
            found.extend(item["id"]["S"] for item in page["Items"])
            if "LastEvaluatedKey" not in page:
                break
            parameters["ExclusiveStartKey"] = page["LastEvaluatedKey"]
            # Some come and some go, and one that stays is written again.
            put(f"comes-{turn}")
            put(sorted(staying)[turn % 60])
            gone = {"id": S(f"comes-{turn - 3}")}
            self.client.delete_item(TableName=self.table, Key=gone)
            turn += 1
        self.assertNotIn("LastEvaluatedKey", page, "the pages come to an end")
        self.assertEqual(sorted(name for name in found if name in staying), sorted(staying))
        self.assertEqual(len(found), len(set(found)))
