//! What projections pick: by a table, and that each path finds in what was picked what it finds in the item.

use proptest::prelude::*;
use serde_json::{Value, json};

use crate::item::expression::{DocumentPath, PathStep, Placeholders, Projection, arbitrary};
use crate::item::{Item, item_from_dynamodb_json};

fn item(json: &Value) -> Item {
    item_from_dynamodb_json(json).unwrap()
}

#[test]
fn picks_what_paths_say() {
    let n = |number: i64| json!({"N": number.to_string()});
    let old = item(&json!({
        "id": n(0), "a": {"M": {"x": n(1), "y": {"L": [n(2), n(3), {"M": {"z": n(4), "w": n(5)}}]}}}, "s": {"S": "t"},
    }));
    let table = [
        ("s", json!({"s": {"S": "t"}})),
        ("gone, s, id", json!({"s": {"S": "t"}, "id": n(0)})),
        ("a.x", json!({"a": {"M": {"x": n(1)}}})),
        ("a.y[2].w, a.y[0]", json!({"a": {"M": {"y": {"L": [n(2), {"M": {"w": n(5)}}]}}}})),
        ("a.y[1], a.x", json!({"a": {"M": {"x": n(1), "y": {"L": [n(3)]}}}})),
        ("a.y[9], a.gone, a.y[2].gone, s.x, id[0], a.x.y", json!({})),
        ("a.y", json!({"a": {"M": {"y": {"L": [n(2), n(3), {"M": {"z": n(4), "w": n(5)}}]}}}})),
    ];
    for (text, picked) in table {
        let projection = Projection::parse(text, &mut Placeholders::none()).unwrap();
        assert_eq!(projection.apply(&old), item(&picked), "{text}");
    }
}

#[test]
fn of_overlapping_paths_the_shorter_counts() {
    let path = |steps: &[&str]| {
        let steps = steps.iter().map(|step| PathStep::Name((*step).to_owned())).collect();
        DocumentPath::new("a", steps).unwrap()
    };
    let old = item(&json!({"a": {"M": {"b": {"M": {"c": {"N": "1"}, "d": {"N": "2"}}}, "e": {"N": "3"}}}}));
    for paths in [vec![path(&["b"]), path(&["b", "c"])], vec![path(&["b", "c"]), path(&["b"])]] {
        let picked = Projection::new(paths).apply(&old);
        assert_eq!(picked, item(&json!({"a": {"M": {"b": {"M": {"c": {"N": "1"}, "d": {"N": "2"}}}}}})));
    }
}

/// Where a path leads in what was picked: before each index there are the lower ones that were picked too.
fn moved(path: &DocumentPath, projection: &Projection, item: &Item) -> DocumentPath {
    let mut steps = Vec::new();
    for (at, step) in path.steps().iter().enumerate() {
        let PathStep::Index(index) = step else {
            steps.push(step.clone());
            continue;
        };
        let lower = (0..*index).filter(|lower| {
            let mut prefix = path.steps()[..at].to_vec();
            prefix.push(PathStep::Index(*lower));
            let prefix = DocumentPath::new(path.root(), prefix).unwrap();
            projection.paths().iter().any(|other| prefix.contains(other) && other.find(item).is_some())
        });
        steps.push(PathStep::Index(u32::try_from(lower.count()).unwrap()));
    }
    DocumentPath::new(path.root(), steps).unwrap()
}

fn leaves(value: &crate::item::AttributeValue) -> usize {
    use crate::item::AttributeValue;
    match value {
        AttributeValue::L(values) if !values.is_empty() => values.iter().map(leaves).sum(),
        AttributeValue::M(entries) if !entries.is_empty() => entries.values().map(leaves).sum(),
        _ => 1,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn picks_what_each_path_finds_and_nothing_else(projection in arbitrary::projection(), item in arbitrary::item()) {
        let picked = projection.apply(&item);
        let mut expected = 0;
        for path in projection.paths() {
            let found = path.find(&item);
            prop_assert!(found.is_none() || moved(path, &projection, &item).find(&picked) == found, "{}", path);
            expected += found.map_or(0, leaves);
        }
        prop_assert_eq!(picked.iter().map(|(_, value)| leaves(value)).sum::<usize>(), expected);
    }
}
