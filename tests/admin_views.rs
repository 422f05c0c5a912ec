//! What the admin program shows: the same values as text and as JSON, exactly.

use bytes::Bytes;
use slipring::admin::answer::{Answer, Format, View};
use slipring::admin::import::ImportView;
use slipring::admin::view::cluster::{NodesView, RingView};
use slipring::admin::view::hints::HintsView;
use slipring::admin::view::item::{ItemView, WrittenView};
use slipring::admin::view::links::LinksView;
use slipring::admin::view::metrics::MetricsView;
use slipring::admin::view::place::PlaceView;
use slipring::admin::view::plan::PlanView;
use slipring::admin::view::repair::RepairView;
use slipring::admin::view::status::StatusView;
use slipring::admin::view::table::{TableView, TablesView};
use slipring::admin::view::tasks::{TaskDetailsView, TasksView};
use slipring::admin::view::tombstones::TombstonesView;
use slipring::admin::view::top::{TopKeysView, TopNodesView, TopPartitionsView};
use slipring::dynamo::collection::Kept;
use slipring::dynamo::context::Context;
use slipring::dynamo::hlc::HlcTime;
use slipring::dynamo::link_matrix::LinkCell;
use slipring::dynamo::load::LoadRates;
use slipring::dynamo::node_id::NodeId;
use slipring::dynamo::preference_list::Role;
use slipring::dynamo::ranking::{Ranked, Ranking};
use slipring::dynamo::record_key::RecordKey;
use slipring::dynamo::ring::{Member, PartitionId};
use slipring::dynamo::siblings::{Change, Mint, Siblings};
use slipring::dynamo::version::{Dot, ReplicaId, VersionVector};
use slipring::dynamo::work::LoadWeights;
use slipring::item::{Conflict, TableSchema, item_from_json};
use slipring::messages::LinkError;
use slipring::messages::admin::{HintState, HintsRow, NodeRow, RingDescription, Status};
use slipring::messages::client::{GetReply, PutReply, WhereReplica, WhereReply};
use slipring::messages::garbage::{KeptRow, TombstoneReport};
use slipring::messages::hints::HintsPending;
use slipring::messages::load::{ClusterLoad, LoadTotals, MemberLoad, PartitionLoad};
use slipring::messages::repair::{PeerRepair, RepairRun, RepairStatus};
use slipring::messages::replica::ReadReplicaError;
use slipring::messages::ring::{MoveTended, PlanDescription, PlannedNode, TaskRow, TaskState};
use slipring::metadata::{Enrolled, MemberAddress, Share, StagedChange};

/// 2026-01-31T12:00:00Z.
const NOW_MS: u64 = 1_769_860_800_000;

fn text<V: View>(view: &V) -> String {
    Answer::of(view, Format::default()).output
}

fn json<V: View>(view: &V) -> String {
    Answer::of(view, Format { json: true, ..Format::default() }).output
}

fn node(name: &str) -> NodeId {
    NodeId::new(name).expect("it succeeds")
}

fn item(json: &str) -> Bytes {
    item_from_json(&serde_json::from_str(json).expect("it succeeds")).expect("it succeeds").to_bytes()
}

/// A write at `ms` past noon by the replica `who`, that has seen `seen`.
fn write(siblings: &mut Siblings, who: u64, ms: u64, seen: &VersionVector, value: Option<Bytes>, ttl_ms: Option<u64>) {
    let replica = ReplicaId { directory: who << 32, epoch: 1 << 32 };
    let time = HlcTime::from_unix_ms(NOW_MS + ms);
    let change = Change { value, expires_at_ms: ttl_ms.map(|ttl| NOW_MS + ttl), tenure: 0 };
    siblings.write(seen, Mint { dot: Dot { replica, time }, since: time }, change);
}

fn two_siblings() -> Siblings {
    let mut siblings = Siblings::default();
    write(&mut siblings, 0xa, 0, &VersionVector::new(), Some(item(r#"{"key":"c","items":["milk"]}"#)), None);
    write(&mut siblings, 0xb, 7, &VersionVector::new(), Some(item(r#"{"key":"c","items":["tea"]}"#)), Some(90_000));
    siblings
}

fn got(siblings: &Siblings) -> ItemView {
    let context = Context::new(b"c", VersionVector::new());
    let versions = siblings.visible(NOW_MS).cloned().collect();
    ItemView::new(&GetReply { versions, context }, NOW_MS).expect("it succeeds")
}

#[test]
fn an_item_with_siblings() {
    insta::assert_snapshot!(text(&got(&two_siblings())), @r#"
    sibling 1 of 2, 0000000a.1@1769860800000.0, written 2026-01-31T12:00:00.000Z
    {
      "items": [
        "milk"
      ],
      "key": "c"
    }
    sibling 2 of 2, 0000000b.1@1769860800007.0, written 2026-01-31T12:00:00.007Z, expires in 1 min 30 s
    {
      "items": [
        "tea"
      ],
      "key": "c"
    }
    context ARv4uUaaIUCMYxtBkg
    "#);
    insta::assert_snapshot!(json(&got(&two_siblings())), @r#"{"siblings":[{"items":["milk"],"key":"c"},{"items":["tea"],"key":"c"}],"context":"ARv4uUaaIUCMYxtBkg"}"#);
    insta::assert_snapshot!(json(&got(&Siblings::default())), @r#"{"siblings":[],"context":"ARv4uUaaIUCMYxtBkg"}"#);
}

#[test]
fn a_write() {
    let reply = |siblings| PutReply { context: Context::new(b"c", VersionVector::new()), siblings };
    let view = WrittenView::from(reply(1));
    insta::assert_snapshot!(text(&view), @r#"
    ok
    context ARv4uUaaIUCMYxtBkg
    "#);
    insta::assert_snapshot!(json(&view), @r#"{"context":"ARv4uUaaIUCMYxtBkg","siblings":1}"#);
    assert!(text(&WrittenView::from(reply(3))).starts_with("ok, 3 siblings\n"));
}

#[test]
fn where_a_key_is() {
    let all = two_siblings();
    let mut behind = Siblings::default();
    write(&mut behind, 0xa, 0, &VersionVector::new(), Some(item(r#"{"key":"c","items":["milk"]}"#)), None);
    let replica = |name, role, holds| WhereReplica { node: node(name), role, holds };
    let unreachable = Err(ReadReplicaError::Link(LinkError::Unreachable));
    let reply = WhereReply {
        partition: PartitionId(42),
        replicas: vec![
            replica("a", Role::Primary, Ok(all.clone())),
            replica("b", Role::Primary, Ok(behind)),
            replica("c", Role::Primary, unreachable),
            replica("d", Role::Fallback { for_node: node("c") }, Ok(all)),
        ],
    };
    let view = PlaceView::new(&reply, Conflict::Siblings, NOW_MS);
    assert!(!view.agree);
    insta::assert_snapshot!(text(&view), @r#"
    partition 42: 1 of 3 primaries are current; behind: b; no copy from: c

    NODE  ROLE        STATE    DOT                         WRITTEN                   HOLDS
    a     primary     current  0000000a.1@1769860800000.0  2026-01-31T12:00:00.000Z  {"items":["milk"],"key":"c"}
                               0000000b.1@1769860800007.0  2026-01-31T12:00:00.007Z  {"items":["tea"],"key":"c"} (expires in 1 min 30 s)
    b     primary     behind   0000000a.1@1769860800000.0  2026-01-31T12:00:00.000Z  {"items":["milk"],"key":"c"}
    c     primary     failed   -                           -                         unreachable
    d     hint for c  current  0000000a.1@1769860800000.0  2026-01-31T12:00:00.000Z  {"items":["milk"],"key":"c"}
                               0000000b.1@1769860800007.0  2026-01-31T12:00:00.007Z  {"items":["tea"],"key":"c"} (expires in 1 min 30 s)
    "#);
}

#[test]
fn where_a_deleted_and_an_expired_key_are() {
    let mut deleted = Siblings::default();
    write(&mut deleted, 0xa, 0, &VersionVector::new(), None, None);
    let mut expired = Siblings::default();
    write(&mut expired, 0xa, 0, &VersionVector::new(), Some(item(r#"{"key":"c"}"#)), Some(0));
    let place = |holds: &Siblings| {
        let replicas = vec![WhereReplica { node: node("a"), role: Role::Primary, holds: Ok(holds.clone()) }];
        PlaceView::new(&WhereReply { partition: PartitionId(0), replicas }, Conflict::Siblings, NOW_MS)
    };
    assert!(text(&place(&deleted)).contains("(tombstone)"));
    assert!(text(&place(&expired)).contains(r#"(expired) {"key":"c"}"#));
    assert!(text(&place(&Siblings::default())).contains("no replica has ever heard of this key"));
    let reaped = {
        expired.reap(NOW_MS);
        expired
    };
    insta::assert_snapshot!(json(&place(&reaped)), @r#"{"partition":0,"agree":true,"replicas":[{"node":"a","role":"primary","for_node":null,"state":"current","error":null,"versions":[{"dot":"0000000a.1@1769860800000.0","written_at_ms":1769860800000,"state":"expired","expires_at_ms":1769860800000,"item":null}],"clock":[{"replica":"0000000a.1","since":"1769860800000.0","until":"1769860800000.0"}]}]}"#);
}

fn status() -> Status {
    Status {
        node: node("a"),
        version: "0.1.0".to_owned(),
        cluster: "slipring".to_owned(),
        cluster_uuid: "de8f6667-81b3-4949-b1f2-6eef213326dc".to_owned(),
        uptime_s: 93_600,
        members: 2,
        reachable: 1,
        quorum: [3, 2, 2],
        effective_quorum: [2, 2, 2],
        sloppy: true,
        durability: "always".to_owned(),
        disk_used_bytes: 1536,
        disk_free_bytes: 20 << 30,
        read_only: false,
        hints: vec![HintsPending { target: node("b"), keys: 1204, bytes: 99_000 }],
        warnings: vec!["b cannot be reached from here: see `nodes`".to_owned()],
    }
}

#[test]
fn the_status() {
    let view = StatusView::from(status());
    insta::assert_snapshot!(text(&view), @r#"
    health      1 of 2 nodes unreachable
    cluster     slipring (de8f6667-81b3-4949-b1f2-6eef213326dc)
    node        a, version 0.1.0, up 1 d 2 h
    members     1 reachable of 2
    quorum      n 3, r 2, w 2, sloppy (with 2 nodes: n 2, r 2, w 2)
    durability  always
    disk        1.5 KiB used, 20.0 GiB free
    hints       1,204 keys (96.6 KiB) for 1 node
    warning     b cannot be reached from here: see `nodes`
    "#);
    insta::assert_snapshot!(json(&view), @r#"{"node":"a","version":"0.1.0","cluster":"slipring","cluster_uuid":"de8f6667-81b3-4949-b1f2-6eef213326dc","uptime_s":93600,"members":2,"reachable":1,"quorum":{"n":3,"r":2,"w":2},"effective_quorum":{"n":2,"r":2,"w":2},"sloppy":true,"durability":"always","disk_used_bytes":1536,"disk_free_bytes":21474836480,"read_only":false,"hints":[{"target":"b","keys":1204,"bytes":99000}],"warnings":["b cannot be reached from here: see `nodes`"]}"#);
}

#[test]
fn a_status_with_several_warnings() {
    let said =
        ["3 range(s) differ from what b should hold, or may: see `repair status` and `hints`", "repair is paused"];
    let view = StatusView::from(Status { warnings: said.map(str::to_owned).to_vec(), ..status() });
    let shown = text(&view);
    let warnings: Vec<&str> = shown.lines().filter(|line| line.starts_with("warning")).collect();
    assert_eq!(warnings, said.map(|warning| format!("warning     {warning}")));
    assert!(
        json(&view).trim_end().ends_with(&format!(r#""warnings":["{}","{}"]}}"#, said[0], said[1])),
        "{}",
        json(&view)
    );
}

#[test]
fn hints() {
    let row = |name, keys, state, eta_s: Option<u64>, dirty_ranges| HintsRow {
        pending: HintsPending { target: node(name), keys, bytes: keys * 80 },
        oldest_s: 93_600,
        state,
        per_s: eta_s.map_or(0, |_| 400),
        eta_s,
        dirty_ranges,
    };
    let view = HintsView::from(vec![
        row("b", 1204, HintState::TargetDown, None, 0),
        row("c", 20_000, HintState::Throttled, Some(50), 1),
        row("d", 0, HintState::OnlyDirty, None, 12),
    ]);
    insta::assert_snapshot!(text(&view), @r#"
    FOR  STATE          KEYS      SIZE   OLDEST  PER SECOND  READY IN
    b    target down   1,204  94.0 KiB  1 d 2 h           0         -
    c    throttled    20,000   1.5 MiB  1 d 2 h         400      50 s
    d    overflow          0       0 B        -           0         -
    c misses writes of 1 partition that no hint will bring: comparing replicas repairs them
    d misses writes of 12 partitions that no hint will bring: comparing replicas repairs them
    "#);
    insta::assert_snapshot!(json(&view), @r#"[{"target":"b","keys":1204,"bytes":96320,"oldest_s":93600,"state":"target_down","per_s":0,"eta_s":null,"dirty_ranges":0},{"target":"c","keys":20000,"bytes":1600000,"oldest_s":93600,"state":"throttled","per_s":400,"eta_s":50,"dirty_ranges":1},{"target":"d","keys":0,"bytes":0,"oldest_s":93600,"state":"overflow","per_s":0,"eta_s":null,"dirty_ranges":12}]"#);
    assert_eq!(json(&HintsView(Vec::new())), "[]\n");
}

#[test]
fn tombstones() {
    let row = |why, is_expired, records| KeptRow { why, is_expired, records, oldest_s: 7_200 };
    let report = TombstoneReport {
        walked_s_ago: Some(12),
        min_age_s: 86_400,
        kept: vec![
            row(Kept::Young, false, 1_204),
            row(Kept::LeftTo(node("b")), true, 81),
            row(Kept::Unknown(node("c")), false, 40),
            row(Kept::Hinted(node("c")), false, 1),
            row(Kept::Differs(node("b")), false, 2),
            row(Kept::Settling, false, 3),
            row(Kept::Waiting, false, 4),
        ],
        collected: 9_310,
    };
    let view = TombstonesView::from(report.clone());
    insta::assert_snapshot!(text(&view), @r#"
    KIND     RECORDS     OLDEST  KEPT BECAUSE
    deleted    1,204  2 h 0 min  younger than 1 d 0 h
    expired       81  2 h 0 min  b decides about them
    deleted       40  2 h 0 min  c is down, or did not answer
    deleted        1  2 h 0 min  c keeps a hint of the key
    deleted        2  2 h 0 min  b holds something else: repair comes first
    deleted        3  2 h 0 min  all agreed once; they are asked again
    deleted        4  2 h 0 min  more than one walk takes: the next one
    found by the walk that ended 12 s ago
    9,310 tombstones collected since the start
    "#);
    insta::assert_snapshot!(json(&view), @r#"{"walked_s_ago":12,"min_age_s":86400,"kept":[{"reason":"young","node":null,"kind":"deleted","records":1204,"oldest_s":7200},{"reason":"left_to_another","node":"b","kind":"expired","records":81,"oldest_s":7200},{"reason":"member_unknown","node":"c","kind":"deleted","records":40,"oldest_s":7200},{"reason":"hinted","node":"c","kind":"deleted","records":1,"oldest_s":7200},{"reason":"differs","node":"b","kind":"deleted","records":2,"oldest_s":7200},{"reason":"settling","node":null,"kind":"deleted","records":3,"oldest_s":7200},{"reason":"waiting","node":null,"kind":"deleted","records":4,"oldest_s":7200}],"collected":9310}"#);
    let none = TombstonesView::from(TombstoneReport { walked_s_ago: None, kept: Vec::new(), collected: 0, ..report });
    insta::assert_snapshot!(text(&none), @r#"
    no tombstones; no walk through the records has ended yet: see garbage.walk_interval_s
    0 tombstones collected since the start
    "#);
}

#[test]
fn links_as_a_matrix() {
    let cell = |from, to, up: Option<bool>, round_trip_us, loss, asymmetric| LinkCell {
        from: node(from),
        to: node(to),
        up,
        round_trip_us,
        loss_percent: up.map(|_| loss),
        asymmetric,
    };
    let links = LinksView::from(vec![
        cell("a", "b", Some(true), Some(412), 0, true),
        cell("a", "c", Some(true), Some(12_345), 15, false),
        cell("b", "a", Some(false), None, 100, true),
        cell("b", "c", None, None, 0, false),
        cell("c", "a", Some(true), None, 0, false),
        cell("c", "b", Some(false), None, 40, false),
    ]);
    insta::assert_snapshot!(text(&links), @r#"
    FROM / TO  a       b         c
    a          -       0.4 ms !  12.3 ms, 15 % lost
    b          down !  -         unknown
    c          up      down      -

    ! works in one direction and not in the other
    "#);
    insta::assert_snapshot!(json(&links).split_once("},").expect("two").0, @r#"[{"from":"a","to":"b","state":"up","round_trip_ms":0.412,"loss_percent":0,"asymmetric":true"#);
}

#[test]
fn repair() {
    let peer = |name, dirty, repairing| PeerRepair {
        peer: node(name),
        reachable: dirty == 0,
        ranges: 256,
        verified: 256 - dirty,
        dirty,
        oldest_unverified_s: 420,
        repairing,
    };
    let status = RepairStatus {
        enabled: true,
        paused: false,
        interval_s: 600,
        peers: vec![peer("b", 0, None), peer("c", 5, Some(PartitionId(17)))],
        run: Some(RepairRun { total: 512, done: 128, elapsed_s: 30, eta_s: Some(90) }),
        keys_repaired: 1204,
        bytes_repaired: 99_000,
        records_audited: 88_310,
        speed_percent: 100.0,
    };
    let view = RepairView::from(status.clone());
    insta::assert_snapshot!(text(&view), @r#"
    state       running at 100 % of its rates
    interval    10 min 0 s
    repaired    1,204 records (96.6 KiB) since the start
    audited     88,310 records since the start
    run         [#######.......................] 128 of 512, ETA 1 min 30 s

    PEER  STATE  RANGES  VERIFIED  DIRTY     OLDEST  REPAIRING
    b     up        256       256      0  7 min 0 s  -
    c     down      256       251      5  7 min 0 s  17
    "#);
    insta::assert_snapshot!(json(&view), @r#"{"enabled":true,"paused":false,"interval_s":600,"speed_percent":100.0,"peers":[{"peer":"b","reachable":true,"ranges":256,"verified":256,"dirty":0,"oldest_unverified_s":420,"repairing":null},{"peer":"c","reachable":false,"ranges":256,"verified":251,"dirty":5,"oldest_unverified_s":420,"repairing":17}],"run":{"total":512,"done":128,"elapsed_s":30,"eta_s":90},"keys_repaired":1204,"bytes_repaired":99000,"records_audited":88310}"#);
    let done = RepairRun { total: 512, done: 512, elapsed_s: 61, eta_s: Some(0) };
    let paused = RepairView::from(RepairStatus { paused: true, run: Some(done), peers: Vec::new(), ..status });
    insta::assert_snapshot!(text(&paused), @r#"
    state       paused: `repair resume` goes on
    interval    10 min 0 s
    repaired    1,204 records (96.6 KiB) since the start
    audited     88,310 records since the start
    run         done, 512 ranges in 1 min 1 s
    "#);
}

#[test]
fn nodes_and_ring() {
    let row = |name, state: &str, this_node: bool| NodeRow {
        name: node(name),
        address: "10.0.0.1:7400".to_owned(),
        state: state.to_owned(),
        zone: this_node.then(|| "rack1".to_owned()),
        weight: 1,
        partitions: 2,
        share_percent: 33.333_333,
        this_node,
        reachable: this_node,
    };
    let totals = LoadTotals {
        copies: LoadRates { reads_per_s: 10.0, writes_per_s: 2.5, ..LoadRates::default() },
        clients_per_s: 1.0,
        cpu_percent: None,
    };
    let load = ClusterLoad {
        members: vec![
            MemberLoad { node: node("a"), weight: 1, totals: Some(totals) },
            MemberLoad { node: node("b"), weight: 1, totals: None },
        ],
        keys: Ranking::default(),
        partitions: Vec::new(),
        weights: LoadWeights::REQUESTS,
    };
    let nodes = NodesView::from(vec![row("a", "up", true), row("b", "suspect", false)]).loaded(&load);
    insta::assert_snapshot!(text(&nodes), @r#"
    NODE         STATE    REACHABLE  ADDRESS        ZONE   WEIGHT  PARTITIONS   SHARE  REQUESTS/S  OF MEAN
    a (answers)  up       yes        10.0.0.1:7400  rack1       1           2  33.3 %        12.5  100.0 %
    b            suspect  no         10.0.0.1:7400  -           1           2  33.3 %           -        -
    "#);
    insta::assert_snapshot!(json(&nodes), @r#"[{"name":"a","address":"10.0.0.1:7400","state":"up","zone":"rack1","weight":1,"partitions":2,"share_percent":33.33,"this_node":true,"reachable":true,"requests_per_s":12.5,"of_mean_percent":100.0,"in_balance":true},{"name":"b","address":"10.0.0.1:7400","state":"suspect","zone":null,"weight":1,"partitions":2,"share_percent":33.33,"this_node":false,"reachable":false,"requests_per_s":null,"of_mean_percent":null,"in_balance":null}]"#);
    let owners = ["a", "a", "b", "c", "c", "a"].map(node).to_vec();
    let ring = RingDescription { epoch: 4, owners, balance: 2.0 / 3.0 };
    insta::assert_snapshot!(text(&RingView::new(&ring, true)), @r#"
    6 partitions, 3 nodes, epoch 4, balance 0.667 (1 is perfect)

    NODE  PARTITIONS   SHARE
    a              3  50.0 %
    b              1  16.7 %
    c              2  33.3 %

    PARTITIONS  OWNER
    0-1         a
    2           b
    3-4         c
    5           a
    "#);
    insta::assert_snapshot!(json(&RingView::new(&ring, true)), @r#"{"epoch":4,"partitions":6,"balance":0.667,"nodes":[{"node":"a","partitions":3,"share_percent":50.0},{"node":"b","partitions":1,"share_percent":16.67},{"node":"c","partitions":2,"share_percent":33.33}],"ranges":[{"first":0,"last":1,"owner":"a"},{"first":2,"last":2,"owner":"b"},{"first":3,"last":4,"owner":"c"},{"first":5,"last":5,"owner":"a"}]}"#);
    assert!(!json(&RingView::new(&ring, false)).contains("ranges"));
}

#[test]
fn tables() {
    let own = TableSchema { n: Some(5), ..TableSchema::kv() };
    let view = TableView::new(&own, [3, 2, 2].into());
    insta::assert_snapshot!(text(&view), @r#"
    table          kv
    partition key  key (S)
    sort key       -
    quorum         n 5, r 2, w 2 (its own n)
    conflict       siblings: concurrent writes are all kept, and a client merges them
    "#);
    insta::assert_snapshot!(json(&view), @r#"{"name":"kv","partition_key":{"name":"key","type":"S"},"sort_key":null,"conflict":"siblings","quorum":{"n":5,"r":2,"w":2},"own_quorum":["n"]}"#);
    insta::assert_snapshot!(text(&TablesView(vec![view])), @r#"
    TABLE  PARTITION KEY  SORT KEY  CONFLICT  QUORUM
    kv     key (S)        -         siblings  n 5, r 2, w 2
    "#);
    assert_eq!(json(&TablesView(Vec::new())), "[]\n");
}

#[test]
fn metrics() {
    let exposition = "# HELP slipring_puts Puts.\n# TYPE slipring_puts counter\n\
                      slipring_puts_total{table=\"kv\",why=\"a \\\"b\\\",c}\"} 7\nslipring_gets_total 1\n# EOF\n";
    let view = MetricsView::new(exposition, Some("puts"));
    insta::assert_snapshot!(text(&view), @r#"
    # HELP slipring_puts Puts.
    # TYPE slipring_puts counter
    slipring_puts_total{table="kv",why="a \"b\",c}"} 7
    "#);
    insta::assert_snapshot!(json(&view), @r#"[{"name":"slipring_puts_total","labels":{"table":"kv","why":"a \"b\",c}"},"value":"7"}]"#);
    assert_eq!(MetricsView::new(exposition, None).samples.len(), 2);
    assert_eq!(json(&MetricsView::new(exposition, Some("nothing"))), "[]\n");
}

#[test]
fn an_import() {
    let mut view = ImportView { written: 7923, unchanged: 5, ..ImportView::default() };
    insta::assert_snapshot!(text(&view), @r#"7,928 records: 7,923 written, 5 unchanged, 0 failed"#);
    view.fail("line 3".to_owned(), "is a number, not an object".to_owned());
    insta::assert_snapshot!(text(&view), @r#"7,929 records: 7,923 written, 5 unchanged, 1 failed"#);
    insta::assert_snapshot!(json(&view), @r#"{"written":7923,"unchanged":5,"failed":1,"stopped":false,"failures":[{"place":"line 3","reason":"is a number, not an object"}]}"#);
}

fn cluster_load() -> ClusterLoad {
    let copies =
        |reads_per_s: f64, writes_per_s| LoadRates { reads_per_s, writes_per_s, bytes_per_s: reads_per_s * 1_000.0 };
    let totals = |reads_per_s, clients_per_s, cpu_percent| {
        Some(LoadTotals { copies: copies(reads_per_s, 100.0), clients_per_s, cpu_percent })
    };
    let member = |name, weight, totals| MemberLoad { node: node(name), weight, totals };
    let ranked = |text: &str, sort: Option<&str>, at_least_per_s: f64, over: f64| {
        let mut schema = TableSchema::kv();
        schema.sort_key = sort.map(|_| schema.partition_key.clone());
        let key = schema.key_from_text(text, sort).expect("it succeeds").to_bytes();
        let key = RecordKey::new(PartitionId(223), "kv", &key);
        Ranked { key, at_least_per_s, at_most_per_s: at_least_per_s + over }
    };
    let keys = vec![
        ranked("cart:1", None, 812.44, 0.0),
        ranked("two words", Some("it's"), 40.0, 0.5),
        ranked(&"long".repeat(30), None, 2.0, 1.0),
        ranked("line\nbreak", Some("plain"), 1.0, 1.0),
    ];
    ClusterLoad {
        members: vec![
            member("a", 1, totals(900.0, 500.25, Some(41.23))),
            member("b", 2, totals(1_500.0, 400.0, None)),
            member("c", 1, None),
        ],
        keys: Ranking::new(keys, 1.0, 900.25),
        partitions: vec![
            PartitionLoad { partition: PartitionId(223), owner: node("a"), copies: copies(1_000.0, 50.0) },
            PartitionLoad { partition: PartitionId(7), owner: node("b"), copies: copies(0.0, 13.0) },
        ],
        weights: LoadWeights::REQUESTS,
    }
}

#[test]
fn top_keys_as_they_are_typed() {
    let view = TopKeysView::from(cluster_load());
    insta::assert_snapshot!(text(&view), @r#"
    TABLE  KEY                                                           PARTITION  REQUESTS/S  AT MOST   SHARE
    kv     cart:1                                                              223       812.4    812.4  90.2 %
    kv     "two words" --sort "it's"                                           223        40.0     40.5   4.4 %
    kv     longlonglonglonglonglonglonglonglonglonglonglonglonglonglon…        223         2.0      3.0   0.2 %
    kv     "line\nbreak" --sort plain                                          223         1.0      2.0   0.1 %
    900.3 requests of clients per second in all; any other key at most 1.0
    "#);
    insta::assert_snapshot!(json(&view), @r#"{"keys":[{"table":"kv","key":"cart:1","sort":null,"partition":223,"requests_per_s":812.4,"at_most_per_s":812.4,"share_percent":90.2},{"table":"kv","key":"two words","sort":"it's","partition":223,"requests_per_s":40.0,"at_most_per_s":40.5,"share_percent":4.4},{"table":"kv","key":"longlonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglonglong","sort":null,"partition":223,"requests_per_s":2.0,"at_most_per_s":3.0,"share_percent":0.2},{"table":"kv","key":"line\nbreak","sort":"plain","partition":223,"requests_per_s":1.0,"at_most_per_s":2.0,"share_percent":0.1}],"requests_per_s":900.3,"others_at_most_per_s":1.0,"silent":["c"]}"#);
    let quiet = TopKeysView::from(ClusterLoad { keys: Ranking::default(), ..cluster_load() });
    insta::assert_snapshot!(text(&quiet), @r#"
    no client has asked for a key lately
    "#);
}

#[test]
fn top_partitions_by_requests_for_copies() {
    let view = TopPartitionsView::from(cluster_load());
    insta::assert_snapshot!(text(&view), @r#"
    PARTITION  OWNER  REQUESTS/S  READS/S  WRITES/S    BYTES/S   SHARE
          223  a          1050.0   1000.0      50.0  976.5 KiB  40.4 %
            7  b            13.0      0.0      13.0        0 B   0.5 %
    2600.0 requests for copies per second in all
    "#);
    insta::assert_snapshot!(json(&view), @r#"{"partitions":[{"partition":223,"owner":"a","requests_per_s":1050.0,"reads_per_s":1000.0,"writes_per_s":50.0,"bytes_per_s":1000000.0,"share_percent":40.4},{"partition":7,"owner":"b","requests_per_s":13.0,"reads_per_s":0.0,"writes_per_s":13.0,"bytes_per_s":0.0,"share_percent":0.5}],"requests_per_s":2600.0,"silent":["c"]}"#);
}

#[test]
fn top_nodes_by_weight() {
    let view = TopNodesView::from(cluster_load());
    insta::assert_snapshot!(text(&view), @r#"
    NODE  REQUESTS/S  READS/S  WRITES/S    BYTES/S  CLIENTS/S     CPU   SHARE  OF MEAN  BALANCE
    a         1000.0    900.0     100.0  878.9 KiB      500.3  41.2 %  38.5 %  115.4 %  outside
    b         1600.0   1500.0     100.0    1.4 MiB      400.0       -  61.5 %   92.3 %  inside
    c              -        -         -          -          -       -       -        -  no answer
    "#);
    insta::assert_snapshot!(json(&view), @r#"[{"node":"a","weight":1,"load":{"requests_per_s":1000.0,"reads_per_s":900.0,"writes_per_s":100.0,"bytes_per_s":900000.0,"clients_per_s":500.3,"cpu_percent":41.2,"share_percent":38.5,"of_mean_percent":115.4,"in_balance":false}},{"node":"b","weight":2,"load":{"requests_per_s":1600.0,"reads_per_s":1500.0,"writes_per_s":100.0,"bytes_per_s":1500000.0,"clients_per_s":400.0,"cpu_percent":null,"share_percent":61.5,"of_mean_percent":92.3,"in_balance":true}},{"node":"c","weight":1,"load":null}]"#);
}

#[test]
fn plans_and_tasks() {
    let share = |partitions, copies| Share { partitions, copies };
    let planned = |name: &str, before, after, fetches| PlannedNode { node: node(name), before, after, fetches };
    let known =
        MemberAddress { member: Member { id: node("d"), zone: None, weight: 1 }, address: "10.0.0.4:7400".to_owned() };
    let plan = PlanView::from(PlanDescription {
        planned_at: 7,
        staged: vec![StagedChange::Join(Enrolled { known, log_id: 1 }), StagedChange::Leave { node: node("a") }],
        owners: [64, 60],
        copies: [192, 180],
        bytes: 3 << 20,
        seconds: 95,
        nodes: vec![planned("a", share(86, 256), share(0, 0), 0), planned("d", share(0, 0), share(86, 256), 256)],
        fewest_replicas: 3,
        balance: 0.98765,
    });
    insta::assert_snapshot!(text(&plan), @r#"
    d at 10.0.0.4:7400 joins
    a leaves

    NODE  PARTITIONS  AFTER  COPIES  AFTER  FETCHES
    a             86      0     256      0        0
    d              0     86       0    256      256

    64 partitions get another owner (the least possible is 60), 192 copies are fetched (least 180): about 3.0 MiB, 1 min 35 s at full speed
    each partition has at least 3 replicas meanwhile; balance afterwards 0.988
    "#);
    insta::assert_snapshot!(json(&plan), @r#"{"staged":["d at 10.0.0.4:7400 joins","a leaves"],"partitions_moved":64,"partitions_moved_least":60,"copies_moved":192,"copies_moved_least":180,"bytes_moved":3145728,"seconds":95,"fewest_replicas":3,"balance":0.988,"nodes":[{"node":"a","partitions_before":86,"partitions_after":0,"copies_before":256,"copies_after":0,"fetches":0},{"node":"d","partitions_before":0,"partitions_after":86,"copies_before":0,"copies_after":256,"fetches":256}]}"#);
    let task = |state, eta_s, told: Option<MoveTended>| TaskRow {
        began: 2,
        owner: node("d"),
        returns: told.is_some(),
        state,
        done: 71,
        total: 192,
        per_minute: 140.4,
        eta_s,
        idle_s: 0,
        told,
    };
    let told = MoveTended {
        last_error: Some("3 from a: no answer".to_owned()),
        waiting: 2,
        next_try_ms: Some(1_200),
        held_up: None,
    };
    let held_up = MoveTended { held_up: Some("repair is paused".to_owned()), ..MoveTended::default() };
    let tasks = TasksView::from(vec![
        task(TaskState::Copying, Some(52), None),
        task(TaskState::Stalled, None, Some(told)),
        task(TaskState::Copying, None, Some(held_up)),
    ]);
    insta::assert_snapshot!(text(&tasks), @r#"
    TASK      OWNER  STATE      DONE   OF  PER MINUTE   ETA  IDLE  NEXT TRY  LAST ERROR
    move-2-d  d      copying      71  192         140  52 s   0 s         -  -
    move-2-d  d      stalled      71  192         140     -   0 s       2 s  3 from a: no answer
    move-2-d  d      returning    71  192         140     -   0 s         -  repair is paused
    "#);
    insta::assert_snapshot!(json(&tasks), @r#"[{"id":"move-2-d","owner":"d","state":"copying","returns":false,"done":71,"total":192,"per_minute":140.0,"eta_s":52,"idle_s":0,"last_error":null,"waiting":null,"next_try_s":null,"held_up":null},{"id":"move-2-d","owner":"d","state":"stalled","returns":true,"done":71,"total":192,"per_minute":140.0,"eta_s":null,"idle_s":0,"last_error":"3 from a: no answer","waiting":2,"next_try_s":2,"held_up":null},{"id":"move-2-d","owner":"d","state":"returning","returns":true,"done":71,"total":192,"per_minute":140.0,"eta_s":null,"idle_s":0,"last_error":null,"waiting":0,"next_try_s":null,"held_up":"repair is paused"}]"#);
    assert_eq!(text(&TasksView::from(Vec::new())), "nothing moves\n");
    let details = TaskDetailsView(tasks.0[1..2].to_vec());
    insta::assert_snapshot!(text(&details), @r#"
    task        move-2-d
    owner       d, which fetches partitions
    state       stalled
    direction   back: it was cancelled
    progress    71 of 192 partitions are there
    rate        140 per minute
    eta         -
    idle        nothing has arrived for 0 s
    waiting     2
    next try    2 s
    last error  3 from a: no answer
    held up     -
    "#);
}
