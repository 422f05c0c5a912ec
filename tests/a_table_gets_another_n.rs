//! The built-in table gets another N under load, up and down and half way back: no read misses what was acknowledged. Whole nodes in virtual time; what
//! clients do and what they may expect is the simulator's.

use std::time::Duration;

use slipring::item::TableName;
use slipring::messages::metadata::ChangeTables;
use slipring::messages::ring::{ChangeRing, DescribeTasks, TaskRow};
use slipring::metadata::{Alteration, QuorumChoice, RingChange, TableChange};
use slipring::sim::{Ending, Plan, Scene, play};

fn plan(seed: u64) -> Plan {
    Plan {
        nodes: 6,
        spares: 0,
        partitions: 32,
        workers: 1,
        n: 3,
        r: 2,
        w: 2,
        sloppy: seed.is_multiple_of(2),
        faults: Vec::new(),
        clients: 4,
        keys: 30,
        think_max_ms: 300,
        ..Plan::drawn_from(seed)
    }
}

async fn alter(scene: &mut Scene, [n, r, w]: [u8; 3]) {
    let exactly = QuorumChoice::Exactly;
    let alteration = Alteration { table: TableName::kv(), n: exactly(n), r: exactly(r), w: exactly(w) };
    let change = ChangeTables { change: TableChange::Alter(alteration) };
    let mut operator = scene.client("alters", 1);
    operator.ask(&change).await.expect("it is sent").expect("it is agreed on");
}

async fn tasks(scene: &mut Scene) -> Vec<TaskRow> {
    let mut operator = scene.client("watches", 2);
    operator.ask(&DescribeTasks::default()).await.expect("it is sent").expect("it is answered")
}

async fn wait_until_at_rest(scene: &mut Scene) {
    for _ in 0..240 {
        if tasks(scene).await.is_empty() {
            return;
        }
        scene.wait(Duration::from_millis(500)).await;
    }
    panic!("partitions move for ever: {:?}", tasks(scene).await);
}

fn text(ending: &Ending) -> String {
    ending.lines.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

#[test]
fn no_read_misses_anything_while_n_goes_up_and_down() {
    for seed in 1..=4 {
        println!("seed {seed}");
        let ending = play(&plan(seed), async |scene| {
            scene.employ();
            scene.wait(Duration::from_secs(10)).await;
            for quorum in [[5, 3, 3], [2, 1, 2], [4, 2, 3], [3, 2, 2]] {
                alter(scene, quorum).await;
                assert!(!tasks(scene).await.is_empty(), "N = {} needs copies", quorum[0]);
                wait_until_at_rest(scene).await;
                scene.wait(Duration::from_secs(5)).await;
            }
        });
        let ending = ending.expect("a run");
        assert_eq!(ending.violations, [], "{}", text(&ending));
    }
}

#[test]
fn another_n_that_is_cancelled_half_way_leaves_the_old_one() {
    for seed in 5..=8 {
        println!("seed {seed}");
        let ending = play(&plan(seed), async |scene| {
            scene.employ();
            scene.wait(Duration::from_secs(10)).await;
            for (quorum, after_ms) in [([5, 3, 3], 700), ([5, 3, 3], 1_500), ([1, 1, 1], 900)] {
                alter(scene, quorum).await;
                scene.wait(Duration::from_millis(after_ms)).await;
                let under_way = tasks(scene).await;
                if let Some(task) = under_way.first() {
                    let change = RingChange::Cancel { began: task.began };
                    // It may just have come to its end.
                    let _ = scene.client("cancels", 3).ask(&ChangeRing { change }).await;
                }
                wait_until_at_rest(scene).await;
                alter(scene, [3, 2, 2]).await;
                wait_until_at_rest(scene).await;
            }
        });
        let ending = ending.expect("a run");
        assert_eq!(ending.violations, [], "{}", text(&ending));
    }
}
