//! A turn against a model: whatever steps come, an item changes only by what is not in a transaction, or by what one decided.

use bytes::Bytes;
use proptest::prelude::*;

use super::{Held, Step, StepOutcome, Turn};
use crate::item::expression::{Condition, ExpressionKind, Placeholders};
use crate::item::{Action, AttributeValue, Decision, Item, Modification, TransactionId};

fn item(n: i64) -> Item {
    Item::from_iter([("key", AttributeValue::S("k".to_owned())), ("n", AttributeValue::N(n.into()))])
}

fn put(n: i64, if_absent: bool) -> Modification {
    let parse =
        |text| Condition::parse(ExpressionKind::Condition, text, &mut Placeholders::none()).expect("a condition");
    let condition = if_absent.then(|| parse("attribute_not_exists(n)"));
    Modification { condition, action: Action::Put(item(n)) }
}

fn modification() -> impl Strategy<Value = Modification> {
    prop_oneof![
        (0..5_i64, any::<bool>()).prop_map(|(n, if_absent)| put(n, if_absent)),
        Just(Modification { condition: None, action: Action::Delete }),
        Just(Modification { condition: None, action: Action::Keep }),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let transaction = (1..3_u128).prop_map(TransactionId);
    let decision = prop_oneof![Just(Decision::Committed), Just(Decision::Aborted)];
    prop_oneof![
        modification().prop_map(Step::Change),
        (transaction.clone(), 0..20_u64, modification()).prop_map(|(transaction, deadline_ms, modification)| {
            Step::Prepare { transaction, deadline_ms, modification }
        }),
        (transaction, decision).prop_map(|(transaction, decision)| Step::Settle { transaction, decision }),
    ]
}

/// What a turn should do, said in another way: a value and at most one value beside it.
#[derive(Clone, Debug, Default)]
struct Model {
    value: Option<Bytes>,
    beside: Option<(TransactionId, Option<Bytes>)>,
}

const NOW_MS: u64 = 10;

impl Model {
    fn next(&self, modification: &Modification) -> Option<Option<Bytes>> {
        let present = self.value.as_deref().map(|bytes| Item::from_bytes(bytes).expect("an item"));
        let next =
            modification.decide(present.as_ref(), &Item::from_iter([("key", AttributeValue::S("k".to_owned()))]));
        next.ok().map(|next| next.as_ref().map(Item::to_bytes))
    }

    /// Whether the step is taken.
    fn take(&mut self, step: &Step) -> bool {
        match step {
            Step::Change(_) if self.beside.is_some() => false,
            Step::Change(modification) => {
                let next = self.next(modification);
                self.value = next.clone().unwrap_or_else(|| self.value.clone());
                next.is_some()
            }
            Step::Prepare { transaction, .. } if self.beside.is_some() => {
                self.beside.as_ref().is_some_and(|(holder, _)| holder == transaction)
            }
            Step::Prepare { deadline_ms, .. } if *deadline_ms <= NOW_MS => false,
            Step::Prepare { transaction, modification, .. } => {
                self.beside = self.next(modification).map(|next| (*transaction, next));
                self.beside.is_some()
            }
            Step::Settle { transaction, decision } => {
                if let Some((_, next)) = self.beside.take_if(|(holder, _)| holder == transaction)
                    && *decision == Decision::Committed
                {
                    self.value = next;
                }
                true
            }
        }
    }
}

proptest! {
    #[test]
    fn a_turn_is_as_its_model(turns in proptest::collection::vec(proptest::collection::vec(step(), 0..6), 1..6)) {
        let key = Item::from_iter([("key", AttributeValue::S("k".to_owned()))]);
        let (mut stored, mut model) = (None, Model::default());
        for steps in turns {
            let mut turn = Turn::new(stored.clone(), key.clone(), NOW_MS).expect("what a turn has stored");
            for step in steps {
                let outcome = turn.take(&step).expect("what a turn has stored");
                let is_taken = model.take(&step);
                prop_assert_eq!(matches!(outcome, StepOutcome::Done { .. }), is_taken, "{:?}: {:?}", step, outcome);
            }
            stored = turn.to_write().unwrap_or(stored);
            let held = Held::of(stored.clone()).expect("what a turn has stored");
            let (value, beside) = match held {
                Held::Item(value) => (value, None),
                Held::Intent(intent) => (intent.before, Some((intent.transaction, intent.after))),
            };
            prop_assert_eq!((value, beside), (model.value.clone(), model.beside.clone()));
        }
    }
}

#[test]
fn changes_and_older_transactions_wait_and_younger_ones_do_not() {
    let key = Item::from_iter([("key", AttributeValue::S("k".to_owned()))]);
    let mut turn = Turn::new(None, key, NOW_MS).expect("nothing");
    let prepare = |id| Step::Prepare { transaction: TransactionId(id), deadline_ms: 99, modification: put(1, true) };
    assert!(matches!(turn.take(&prepare(1)), Ok(StepOutcome::Done { old: None, new: Some(_) })));
    assert_eq!(turn.take(&Step::Change(put(2, false))), Ok(StepOutcome::Waits));
    assert_eq!(turn.take(&prepare(2)), Ok(StepOutcome::InTransaction));
    assert_eq!(turn.take(&prepare(0)), Ok(StepOutcome::Waits), "the older one waits");
    assert!(turn.is_in_the_way_of(&prepare(2)) && !turn.is_in_the_way_of(&prepare(1)));
    turn.settle(Decision::Committed).expect("an item");
    assert_eq!(turn.to_write(), Some(Some(item(1).to_bytes())));
}
