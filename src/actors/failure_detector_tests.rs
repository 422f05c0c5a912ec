//! Detectors that speak to each other directly, as members come and go.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use tokio::time::sleep;

use super::*;
use crate::dynamo::claim::claim;
use crate::dynamo::quorum::Quorum;
use crate::dynamo::ring::Member;
use crate::dynamo::standing::Standing;
use crate::item::TableSchema;
use crate::messages::cluster::{MemberAddress, View};

const NAMES: [&str; 3] = ["a", "b", "c"];

fn node(name: &str) -> NodeId {
    NodeId::new(name).unwrap()
}

fn view(local: &str, names: &[&str]) -> ViewChanged {
    let member = |name: &&str| Member { id: node(name), zone: None, weight: 1 };
    let plain: Vec<Member> = names.iter().map(member).collect();
    let address = |member: &Member| MemberAddress { member: member.clone(), address: member.id.to_string() };
    ViewChanged(Arc::new(View {
        local: node(local),
        members: Arc::new(plain.iter().map(address).collect()),
        topology: Arc::new(crate::dynamo::topology::Topology::settled(claim(None, &plain, 8, 1).unwrap())),
        quorum: Quorum::new(1, 1, 1).unwrap(),
        sloppy: true,
        reachable: BTreeSet::new(),
        tables: Arc::new(vec![TableSchema::kv()]),
    }))
}

/// What `RingManager` would hear.
type Heard = Rc<RefCell<Vec<(String, Standing)>>>;

struct Listener(Heard);

impl Actor for Listener {
    type Context = Context<Self>;
}

impl Handler<StandingChanged> for Listener {
    type Result = ();

    fn handle(&mut self, StandingChanged { node, standing }: StandingChanged, _: &mut Self::Context) {
        self.0.borrow_mut().push((node.to_string(), standing));
    }
}

/// A link: everything takes a moment, so that time goes on.
struct Delayed(Recipient<Together<Gossip>>);

impl Actor for Delayed {
    type Context = Context<Self>;
}

impl Handler<Together<Gossip>> for Delayed {
    type Result = ();

    fn handle(&mut self, gossip: Together<Gossip>, ctx: &mut Self::Context) {
        ctx.run_later(Duration::from_millis(1), move |link, _| link.0.do_send(gossip));
    }
}

struct World {
    detectors: BTreeMap<&'static str, Addr<FailureDetector>>,
    heard: BTreeMap<&'static str, Heard>,
    metrics: Metrics,
}

impl World {
    /// All three run; of `a` the metrics are looked at. Nobody has a link yet.
    fn start(members: &[&str]) -> Self {
        let (metrics, mut heard) = (Metrics::new(), BTreeMap::new());
        let mut start = |name: &'static str| {
            let told: &mut Heard = heard.entry(name).or_default();
            let detector = FailureDetector::new(DetectorParts {
                own: Life { node: node(name), generation: 1 << 32 },
                members: members.iter().map(|name| node(name)).collect(),
                speed: DetectionSpeed {
                    probe_interval: Duration::from_millis(500),
                    probe_timeout: Duration::from_millis(150),
                    suspicion: Duration::from_millis(2_500),
                },
                peers: BTreeMap::new(),
                control_thread: 0,
                standing: Listener(Rc::clone(told)).start().recipient(),
                seed: 5,
                metrics: if name == "a" { metrics.clone() } else { Metrics::new() },
            });
            (name, detector.start())
        };
        Self { detectors: NAMES.into_iter().map(&mut start).collect(), heard, metrics }
    }

    /// `from` hears who belongs to the cluster, and has links to all of them but itself.
    fn see(&self, from: &str, members: &[&str]) {
        let detector = &self.detectors[from];
        detector.do_send(view(from, members));
        let others = NAMES.iter().filter(|to| **to != from && members.contains(*to));
        let links = others
            .clone()
            .map(|to| (node(to), Delayed(self.detectors[to].clone().recipient()).start().recipient()))
            .collect();
        detector.do_send(LinksChanged::<Recipient<Together<Gossip>>>(links));
        others.for_each(|to| detector.do_send(PeerUp { node: node(to), worker: 0 }));
    }

    fn last(&self, at: &str, of: &str) -> Option<Standing> {
        self.heard[at].borrow().iter().rev().find(|(node, _)| node == of).map(|(_, standing)| *standing)
    }

    fn samples(&self, of: &str) -> usize {
        self.metrics.render().lines().filter(|line| line.contains(&format!("peer=\"{of}\""))).count()
    }
}

fn play(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
    tokio::task::LocalSet::new().block_on(&runtime, story);
}

const UP: Option<Standing> = Some(Standing { state: PeerState::Up, reachable: true });

#[test]
fn who_joins_is_seen_up_and_who_leaves_is_forgotten() {
    play(async {
        let world = World::start(&["a", "b"]);
        ["a", "b"].iter().for_each(|name| world.see(name, &["a", "b"]));
        sleep(Duration::from_secs(1)).await;
        assert_eq!((world.last("a", "b"), world.last("a", "c")), (UP, None));
        assert_eq!(world.samples("c"), 0);

        NAMES.iter().for_each(|name| world.see(name, &NAMES));
        sleep(Duration::from_secs(1)).await;
        assert_eq!((world.last("a", "c"), world.last("b", "c"), world.last("c", "a")), (UP, UP, UP));
        world.detectors["a"].do_send(LinkMeasured { node: node("c"), worker: 0, quality: Default::default() });
        sleep(Duration::from_secs(1)).await;
        assert!(world.samples("c") >= 4);
        let cells = world.detectors["a"].send(DescribeLinks).await.unwrap().unwrap();
        assert!(
            cells.len() == 6 && cells.iter().filter(|cell| cell.from == node("c")).all(|cell| cell.up == Some(true))
        );

        // c goes on for now, and says what it likes.
        ["a", "b"].iter().for_each(|name| world.see(name, &["a", "b"]));
        sleep(Duration::from_millis(100)).await;
        let before = world.heard["a"].borrow().len();
        world.detectors["a"].do_send(PeerDown { node: node("c"), worker: 0 });
        world.detectors["a"].do_send(LinkMeasured { node: node("c"), worker: 0, quality: Default::default() });
        sleep(Duration::from_secs(20)).await;
        assert_eq!(world.heard["a"].borrow().len(), before, "{:?}", world.heard["a"].borrow());
        assert_eq!((world.last("a", "b"), world.samples("c")), (UP, 0));
        assert_eq!(world.last("c", "a").map(|standing| standing.state), Some(PeerState::Down), "nobody answers it");
        assert_eq!(world.detectors["a"].send(DescribeLinks).await.unwrap().unwrap().len(), 2);

        // It comes back, in the same life.
        NAMES.iter().for_each(|name| world.see(name, &NAMES));
        sleep(Duration::from_secs(5)).await;
        assert_eq!((world.last("a", "c"), world.last("b", "c"), world.last("c", "a")), (UP, UP, UP));
    });
}
