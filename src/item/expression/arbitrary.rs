//! Generators of expressions for property tests, and of items that they find something in.
//!
//! Operands on the left look at other attributes than those on the right: an expression that compares something
//! with itself is refused.

use proptest::collection::{btree_map, btree_set, vec};
use proptest::prelude::*;

use super::{
    Addend, AttributeType, Comparator, Condition, DocumentPath, Members, Operand, PathStep, Projection, SetOperand,
    SetValue, Source, Test, Update, UpdateStyle,
};
use crate::item::{AttributeValue, Item, arbitrary};

const LEFT: [&str; 5] = ["a", "b", "name", "my name", "AND"];
const RIGHT: [&str; 4] = ["c", "remove", "#c", "size"];
const INNER: [&str; 3] = ["x", "key", "y z"];

fn step() -> impl Strategy<Value = PathStep> {
    prop_oneof![
        prop::sample::select(INNER.as_slice()).prop_map(|name| PathStep::Name(name.to_owned())),
        (0_u32..4).prop_map(PathStep::Index),
    ]
}

fn path_from(names: &'static [&'static str]) -> impl Strategy<Value = DocumentPath> {
    let steps = prop_oneof![3 => vec(step(), 0..1), 3 => vec(step(), 0..4), 1 => vec(step(), 28..32)];
    (prop::sample::select(names), steps).prop_map(|(name, steps)| DocumentPath::new(name, steps).unwrap())
}

/// Any path.
pub(super) fn path() -> impl Strategy<Value = DocumentPath> {
    prop_oneof![path_from(&LEFT), path_from(&RIGHT)]
}

/// A value of the types that are ordered, of few values so that they meet.
fn scalar() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        (-2_i64..6).prop_map(|number| AttributeValue::N(number.into())),
        arbitrary::number().prop_map(AttributeValue::N),
        "[a-c]{0,3}".prop_map(AttributeValue::S),
        arbitrary::text().prop_map(AttributeValue::S),
        arbitrary::bytes().prop_map(AttributeValue::B),
    ]
}

/// A value of any type, often one that is met in items.
pub(super) fn value() -> impl Strategy<Value = AttributeValue> {
    prop_oneof![
        2 => scalar(),
        1 => arbitrary::value(),
        1 => btree_set(0_i64..4, 1..3).prop_map(|set| AttributeValue::Ns(set.into_iter().map(Into::into).collect())),
        1 => btree_set("[a-c]", 1..3).prop_map(AttributeValue::Ss),
    ]
}

/// An item with the attributes that paths begin with, nested as paths go on.
pub(super) fn item() -> impl Strategy<Value = Item> {
    let name = || prop::sample::select(INNER.as_slice()).prop_map(str::to_owned);
    let nested = value().prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(AttributeValue::L),
            btree_map(name(), inner, 0..4).prop_map(AttributeValue::M),
        ]
    });
    let names: Vec<&str> = LEFT.iter().chain(&RIGHT).copied().collect();
    btree_map(prop::sample::select(names), nested, 0..8).prop_map(Item::from_iter)
}

fn sized() -> impl Strategy<Value = Source> {
    prop_oneof![
        "[a-c]{0,3}".prop_map(|text| Source::Value(AttributeValue::S(text))),
        path_from(&LEFT).prop_map(Source::Path),
    ]
}

fn left() -> impl Strategy<Value = Operand> {
    prop_oneof![3 => path_from(&LEFT).prop_map(Operand::from), 1 => sized().prop_map(Operand::SizeOf)]
}

fn right(values: impl Strategy<Value = AttributeValue>) -> impl Strategy<Value = Operand> {
    prop_oneof![
        3 => values.prop_map(Operand::from),
        1 => path_from(&RIGHT).prop_map(Operand::from),
        1 => path_from(&RIGHT).prop_map(|path| Operand::SizeOf(Source::Path(path))),
    ]
}

fn attribute_type() -> impl Strategy<Value = AttributeType> {
    const NAMES: [&str; 10] = ["S", "N", "B", "BOOL", "NULL", "L", "M", "SS", "NS", "BS"];
    prop::sample::select(NAMES.as_slice()).prop_map(|name| AttributeType::of_name(name).unwrap())
}

fn texts() -> impl Strategy<Value = Operand> {
    "[a-c]{0,2}".prop_map(|text| Operand::from(AttributeValue::S(text)))
}

fn test() -> impl Strategy<Value = Test> {
    use Comparator::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual, NotEqual};
    let orders = prop::sample::select([Less, LessOrEqual, Greater, GreaterOrEqual].as_slice());
    let equals = prop::sample::select([Equal, NotEqual].as_slice());
    let numbers = || (-2_i64..6).prop_map(|number| Operand::from(AttributeValue::N(number.into())));
    prop_oneof![
        (left(), orders, right(scalar())).prop_map(|(left, comparator, right)| Test::Compare {
            left,
            comparator,
            right
        }),
        (left(), equals, right(value())).prop_map(|(left, comparator, right)| Test::Compare {
            left,
            comparator,
            right
        }),
        (left(), numbers(), path_from(&RIGHT)).prop_map(|(operand, lower, upper)| Test::Between {
            operand,
            lower,
            upper: upper.into()
        }),
        (left(), -2_i64..6, 0_i64..4).prop_map(|(operand, lower, more)| {
            let [lower, upper] = [lower, lower + more].map(|number| AttributeValue::N(number.into()).into());
            Test::Between { operand, lower, upper }
        }),
        (left(), vec(right(value()), 1..5)).prop_map(|(operand, alternatives)| Test::In { operand, alternatives }),
        path().prop_map(Test::Exists),
        path().prop_map(Test::NotExists),
        (left(), attribute_type()).prop_map(|(operand, expected)| Test::HasType { operand, expected }),
        (path_from(&LEFT), texts()).prop_map(|(path, prefix)| Test::BeginsWith { operand: path.into(), prefix }),
        (left(), right(value())).prop_map(|(container, element)| Test::Contains { container, element }),
    ]
}

/// Any condition that the language can say.
pub(super) fn condition() -> impl Strategy<Value = Condition> {
    test().prop_map(Condition::from).prop_recursive(5, 24, 4, |condition| {
        prop_oneof![
            condition.clone().prop_map(|condition| Condition::Not(Box::new(condition))),
            vec(condition.clone(), 2..4).prop_map(Condition::all),
            vec(condition, 2..4).prop_map(Condition::any),
        ]
    })
}

/// Paths of which each means a place of its own.
fn places(count: std::ops::Range<usize>) -> impl Strategy<Value = Vec<DocumentPath>> {
    vec(path(), count).prop_map(|paths| {
        let mut places: Vec<DocumentPath> = Vec::new();
        for path in paths {
            let clashes =
                |other: &DocumentPath| path.contains(other) || other.contains(&path) || path.conflicts_with(other);
            if !places.iter().any(clashes) {
                places.push(path);
            }
        }
        places
    })
}

/// Any projection.
pub(super) fn projection() -> impl Strategy<Value = Projection> {
    places(1..8).prop_map(Projection::new)
}

fn set_operand(values: impl Strategy<Value = AttributeValue>) -> impl Strategy<Value = SetOperand> {
    let otherwise = prop_oneof![3 => values.prop_map(Source::Value), 1 => path_from(&RIGHT).prop_map(Source::Path)];
    (vec(path_from(&LEFT), 0..3), otherwise).prop_map(|(first_of, otherwise)| SetOperand { first_of, otherwise })
}

fn set_value() -> impl Strategy<Value = SetValue> {
    let number = || set_operand(arbitrary::number().prop_map(AttributeValue::N));
    let list = || set_operand(vec(scalar(), 0..3).prop_map(AttributeValue::L));
    prop_oneof![
        3 => set_operand(value()).prop_map(SetValue::Of),
        1 => (number(), number()).prop_map(|(left, right)| SetValue::Sum(left, right)),
        1 => (number(), number()).prop_map(|(left, right)| SetValue::Difference(left, right)),
        1 => (list(), list()).prop_map(|(first, second)| SetValue::Appended(first, second)),
    ]
}

fn members() -> impl Strategy<Value = Members> {
    prop_oneof![
        btree_set("[a-c]", 1..3).prop_map(Members::Texts),
        btree_set((0_i64..4).prop_map(Into::into), 1..3).prop_map(Members::Numbers),
        btree_set(arbitrary::bytes(), 1..3).prop_map(Members::Bytes),
    ]
}

#[derive(Clone, Debug)]
enum Action {
    Set(SetValue),
    Remove,
    Add(Addend),
    Delete(Members),
}

/// Any update that an expression can say.
pub(super) fn update() -> impl Strategy<Value = Update> {
    let action = prop_oneof![
        3 => set_value().prop_map(Action::Set),
        2 => Just(Action::Remove),
        1 => arbitrary::number().prop_map(|number| Action::Add(Addend::Number(number))),
        1 => members().prop_map(|members| Action::Add(Addend::Members(members))),
        1 => members().prop_map(Action::Delete),
    ];
    (places(1..6), vec(action, 6)).prop_map(|(places, actions)| {
        let style = UpdateStyle::Expression;
        let mut update = Update::nothing(style);
        for (path, action) in places.into_iter().zip(actions) {
            match action {
                Action::Set(value) => update.sets.push((path, value)),
                Action::Remove => update.removes.push(path),
                Action::Add(addend) => update.adds.push((path, addend)),
                Action::Delete(members) => update.deletes.push((path, members)),
            }
        }
        update
    })
}
