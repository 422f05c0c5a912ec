"""Pages: no more than 1 MiB of items is read for one, whatever a filter leaves of it."""

from .case import Case, N, S

MIB = 1024 * 1024
ITEM_BYTES = 100_000
COUNT = 24


class Pages(Case):
    sort = "N"

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.one = S("one")
        for at in range(COUNT):
            item = {"id": cls.one, "sk": N(at), "fill": S("x" * ITEM_BYTES), "odd": N(at % 2)}
            cls.client.put_item(TableName=cls.table, Item=item)

    def pages(self, operation, **parameters):
        """All pages of a query or scan."""
        parameters = {"TableName": self.table, "ConsistentRead": True, **parameters}
        if operation == "query":
            parameters["KeyConditionExpression"] = "id = :id"
            parameters["ExpressionAttributeValues"] = {":id": self.one, **parameters.get("ExpressionAttributeValues", {})}
        pages = [getattr(self.client, operation)(**parameters)]
        while start := pages[-1].get("LastEvaluatedKey"):
            self.assertLess(len(pages), 100, "the pages come to an end")
            pages.append(getattr(self.client, operation)(**parameters, ExclusiveStartKey=start))
        return pages

    def places(self, pages):
        return [int(item["sk"]["N"]) for page in pages for item in page["Items"]]

    def test_a_page_has_no_more_than_1_mib(self):
        for operation in ("query", "scan"):
            with self.subTest(operation):
                pages = self.pages(operation)
                self.assertEqual(self.places(pages), list(range(COUNT)))
                # The item that passes 1 MiB may be the last of its page.
                self.assertTrue(all(page["Count"] * ITEM_BYTES <= MIB + ITEM_BYTES for page in pages))
                self.assertTrue(all(page["Count"] > 0 for page in pages[:-1]))
                self.assertIn(len(pages), (3, 4))

    def test_backwards(self):
        pages = self.pages("query", ScanIndexForward=False)
        self.assertEqual(self.places(pages), list(range(COUNT))[::-1])
        self.assertGreaterEqual(len(pages), 3)

    def test_what_is_read_counts_not_what_is_returned(self):
        nothing = {"FilterExpression": "odd > :n", "ExpressionAttributeValues": {":n": N(7)}}
        for operation in ("query", "scan"):
            with self.subTest(operation):
                pages = self.pages(operation, **nothing)
                self.assertGreaterEqual(len(pages), 3)
                self.assertEqual(sum(page["Count"] for page in pages), 0)
                self.assertEqual(sum(page["ScannedCount"] for page in pages), COUNT)
                pages = self.pages(operation, ProjectionExpression="sk")
                self.assertGreaterEqual(len(pages), 3)
                self.assertEqual(self.places(pages), list(range(COUNT)))
                pages = self.pages(operation, Select="COUNT")
                self.assertGreaterEqual(len(pages), 3)
                self.assertEqual(sum(page["Count"] for page in pages), COUNT)

    def test_a_filter_over_pages(self):
        odd = {"FilterExpression": "odd = :n", "ExpressionAttributeValues": {":n": N(1)}}
        self.assertEqual(self.places(self.pages("query", **odd)), list(range(1, COUNT, 2)))

    def test_paginator(self):
        paginator = self.client.get_paginator("query")
        pages = paginator.paginate(
            TableName=self.table, KeyConditionExpression="id = :id", ExpressionAttributeValues={":id": self.one},
            ConsistentRead=True,
        )
        self.assertEqual(self.places(pages), list(range(COUNT)))
