//! How many bytes an item counts as, for the 400 KB limit, for pages of results and for capacity.
//!
//! The rules are those of the DynamoDB developer guide, "DynamoDB item sizes and formats":
//!
//! | value | bytes |
//! |---|---|
//! | S | its UTF-8 bytes |
//! | N | 1, and 1 for each two significant digits begun, and 1 for a minus sign; digits on both sides of the dot count each by themselves |
//! | B | its bytes, not those of their base64 |
//! | BOOL, NULL | 1 |
//! | SS, NS, BS | the sum of the members |
//! | L, M | 3, and for each element 1 and its own size, in a map with the name |
//!
//! and an attribute counts its name's UTF-8 bytes too. The guide calls the size of a number approximate and
//! gives no rule for sets, which have no overhead here; DynamoDB itself may count a few bytes more or less.
//! The 100 bytes that the guide adds for billing are no part of an item's size.

use super::number::Number;
use super::value::{AttributeValue, Item};

/// Bytes that a list or map counts besides what is in it.
const DOCUMENT_BYTES: usize = 3;

/// Bytes that each element of a list or map counts besides its name and value.
const ELEMENT_BYTES: usize = 1;

impl Item {
    /// The size in bytes by DynamoDB's rules: names and values.
    #[must_use]
    pub fn size(&self) -> usize {
        self.iter().map(|(name, value)| name.len() + value.size()).sum()
    }
}

impl AttributeValue {
    /// The size in bytes by DynamoDB's rules, without the attribute's name.
    #[must_use]
    pub fn size(&self) -> usize {
        match self {
            Self::S(text) => text.len(),
            Self::N(number) => number.size(),
            Self::B(bytes) => bytes.len(),
            Self::Bool(_) | Self::Null => 1,
            Self::Ss(members) => members.iter().map(String::len).sum(),
            Self::Ns(members) => members.iter().map(Number::size).sum(),
            Self::Bs(members) => members.iter().map(bytes::Bytes::len).sum(),
            Self::L(values) => DOCUMENT_BYTES + values.iter().map(|value| ELEMENT_BYTES + value.size()).sum::<usize>(),
            Self::M(entries) => {
                let sizes = entries.iter().map(|(name, value)| ELEMENT_BYTES + name.len() + value.size());
                DOCUMENT_BYTES + sizes.sum::<usize>()
            }
        }
    }
}

impl Number {
    /// The size in bytes by DynamoDB's rules: 1..=22. Zero, which has no significant digits, counts 1.
    #[must_use]
    pub fn size(&self) -> usize {
        let (before, behind) = self.digits_around_the_dot();
        1 + (before.div_ceil(2) + behind.div_ceil(2)) as usize + usize::from(self.is_negative())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use crate::item::{arbitrary, item_from_dynamodb_json};

    #[test]
    fn counts_as_the_developer_guide_says() {
        let table = [
            (json!({}), 0),
            (json!({"name": {"S": ""}}), 4),
            (json!({"name": {"S": "abc"}}), 4 + 3),
            (json!({"ü": {"S": "한글"}}), 2 + 6),
            (json!({"n": {"N": "0"}}), 1 + 1),
            (json!({"n": {"N": "7"}}), 1 + 2),
            (json!({"n": {"N": "-27"}}), 1 + 3),
            (json!({"n": {"N": "0.123400"}}), 1 + 3),
            (json!({"n": {"N": "12345"}}), 1 + 4),
            (json!({"n": {"N": "1.5"}}), 1 + 3),
            (json!({"n": {"N": "1.05"}}), 1 + 3),
            (json!({"n": {"N": "1.200"}}), 1 + 3),
            (json!({"n": {"N": "1.234"}}), 1 + 4),
            (json!({"n": {"N": "100.5"}}), 1 + 4),
            (json!({"n": {"N": "3.14159"}}), 1 + 5),
            (json!({"n": {"N": "1000"}}), 1 + 2),
            (json!({"n": {"N": "1e100"}}), 1 + 2),
            (json!({"n": {"N": "-99999999999999999999999999999999999999"}}), 1 + 21),
            (json!({"b": {"B": "AAECAw=="}}), 1 + 4),
            (json!({"yes": {"BOOL": false}}), 3 + 1),
            (json!({"nil": {"NULL": true}}), 3 + 1),
            (json!({"l": {"L": []}}), 1 + 3),
            (json!({"l": {"L": [{"S": "xy"}, {"NULL": true}]}}), 1 + 3 + (1 + 2) + (1 + 1)),
            (json!({"m": {"M": {}}}), 1 + 3),
            (json!({"m": {"M": {"ab": {"N": "1"}, "c": {"L": []}}}}), 1 + 3 + (1 + 2 + 2) + (1 + 1 + 3)),
            (json!({"ss": {"SS": ["a", "bcd"]}}), 2 + 1 + 3),
            (json!({"ns": {"NS": ["1", "-234"]}}), 2 + 2 + 4),
            (json!({"bs": {"BS": ["AA==", "AAEC"]}}), 2 + 1 + 3),
            (json!({"a": {"S": "1"}, "bc": {"BOOL": true}}), (1 + 1) + (2 + 1)),
        ];
        for (document, bytes) in table {
            assert_eq!(item_from_dynamodb_json(&document).unwrap().size(), bytes, "{document}");
        }
    }

    proptest! {
        #[test]
        fn removing_an_attribute_takes_its_name_and_value(item in arbitrary::item()) {
            let mut rest = item.clone();
            for (name, value) in &item {
                let before = rest.size();
                rest.remove(name);
                prop_assert_eq!(rest.size(), before - name.len() - value.size());
            }
            prop_assert_eq!(rest.size(), 0);
        }
    }
}
