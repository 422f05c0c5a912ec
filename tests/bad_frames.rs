//! Whatever arrives at the bridge, the connection that it came on is closed with the documented refusal, and nothing else happens:
//! the node lives, serves, and holds what it held.

mod cluster;

use std::io::ErrorKind;

use bytes::{BufMut as _, Bytes, BytesMut};
use cluster::{Cluster, Node, PATIENCE, do_get, do_put, get, put, values};
use serde::Serialize;
use slipring::client::{Client, ConnectError, ConnectOptions};
use slipring::dynamo::node_id::NodeId;
use slipring::dynamo::record_key::RecordKey;
use slipring::dynamo::ring::PartitionId;
use slipring::dynamo::swim::KnownLife;
use slipring::messages::TraceId;
use slipring::messages::admin::DescribeStatus;
use slipring::messages::detection::{DescribeLinks, Gossip, Rumours};
use slipring::messages::replica::{ReadReplica, Slot};
use slipring::wire::frame::{Frame, FrameKind, encode};
use slipring::wire::handshake::{HandshakeError, Hello, PROTOCOL_VERSION, Refusal, Role, Secret, Welcome, dial};
use slipring::wire::operation::Operation;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

const FRAME_MAX_BYTES: u32 = 1 << 20;

/// A node with one item in it and a connection that has done nothing wrong.
struct Victim {
    cluster: Cluster,
    good: Client,
}

impl Victim {
    async fn start(nodes: usize, settings: &[(&str, &str)]) -> Self {
        let max = FRAME_MAX_BYTES.to_string();
        let settings: Vec<(&str, &str)> =
            settings.iter().copied().chain([("bridge.frame_max_bytes", max.as_str())]).collect();
        let cluster = Cluster::start_with(nodes, &settings);
        let good = cluster.nodes[0].client().await;
        do_put(&good, &put("kept", "before", None)).await.expect("a put");
        Self { cluster, good }
    }

    fn node(&self) -> &Node {
        &self.cluster.nodes[0]
    }

    /// The good connection still works and finds what it left.
    async fn is_unharmed(&self, after: &str) {
        let found = do_get(&self.good, &get("kept")).await;
        assert_eq!(values(&found.unwrap_or_else(|error| panic!("{after}: {error}"))), ["before"], "{after}");
        self.node().assert_unharmed();
    }

    /// The node says in its log why it closed the connection.
    fn wait_for_log(&self, reason: &str, after: &str) {
        self.node().wait_until(&format!("logs `{reason}` after {after}"), || self.node().log_text().contains(reason));
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(&self.node().bridge).await.expect("the port is open")
    }

    /// A connection after a good handshake.
    async fn introduced(&self, role: Role) -> TcpStream {
        let cluster_uuid = matches!(role, Role::Peer { .. }).then(|| cluster_uuid(&self.good));
        let hello = Hello { cluster_name: None, cluster_uuid, role, nonce: [7; 16] };
        let mut stream = self.connect().await;
        dial(&mut stream, &hello, None).await.expect("it is let in");
        stream
    }

    /// The role of a member that is connected already: of the second node.
    async fn peer_role(&self) -> Role {
        let other = self.cluster.nodes[1].client().await;
        let welcome = other.welcome();
        Role::Peer { member: welcome.member.clone(), directory: welcome.directory }
    }
}

fn cluster_uuid(client: &Client) -> uuid::Uuid {
    client.welcome().founded.as_ref().expect("the node belongs to a cluster").identity.uuid
}

/// Everything that comes until the other side closes.
async fn read_to_end(stream: &mut TcpStream, after: &str) -> Vec<u8> {
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer)).await;
    match read.unwrap_or_else(|_| panic!("{after}: the connection is never closed")) {
        Ok(_) => answer,
        // Closed with bytes unread.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => answer,
        Err(error) => panic!("{after}: {error}"),
    }
}

fn preamble() -> Vec<u8> {
    [b"SLIP".as_slice(), &PROTOCOL_VERSION.to_le_bytes()].concat()
}

/// A message of the handshake with a length before it.
fn message(payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short message");
    [&length.to_le_bytes(), payload].concat()
}

fn packed(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec(value).expect("it can be packed")
}

/// The listener's answer to an opening.
fn refusal(answer: &[u8]) -> Option<Refusal> {
    let rest = answer.strip_prefix(&preamble()[..])?;
    let (_, payload) = rest.split_first_chunk::<4>()?;
    rmp_serde::from_slice::<Result<Welcome, Refusal>>(payload).ok()?.err()
}

/// `{"zzz": [[[[…`: an unknown field, which a decoder skips, as deep as it has bytes.
fn deep_nesting(bytes: usize) -> Vec<u8> {
    [b"\x81\xa3zzz".as_slice(), &vec![0x91; bytes]].concat()
}

#[tokio::test]
async fn bad_openings_are_refused_or_told_nothing() {
    let victim = Victim::start(1, &[]).await;
    let opening = |hello: &[u8]| [preamble(), hello.to_vec()].concat();
    let announced = |length: u32| opening(&[&length.to_le_bytes()[..], &[0; 64]].concat());
    let not_understood = Some(Refusal::NotUnderstood);
    let table: [(&str, Vec<u8>, Option<Refusal>); 14] = [
        ("nothing at all", Vec::new(), None),
        ("half of the magic", b"SL".to_vec(), None),
        ("an HTTP request", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), None),
        ("noise", (0..4096_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect(), None),
        ("another magic", [b"SLOP", &preamble()[4..], &message(&[0x90])].concat(), None),
        ("a later version", b"SLIP\x63\x00".to_vec(), Some(Refusal::OtherVersion { theirs: 0x63 })),
        ("version 0", b"SLIP\x00\x00".to_vec(), Some(Refusal::OtherVersion { theirs: 0 })),
        ("a Hello over the bound", announced(64 * 1024 + 1), not_understood.clone()),
        ("a Hello of 4 GiB", announced(u32::MAX), not_understood.clone()),
        ("an empty Hello", opening(&message(&[])), not_understood.clone()),
        ("a Hello that is a number", opening(&message(&packed(&42))), not_understood.clone()),
        ("a Hello that announces 4 billion fields", opening(&message(b"\xdd\xff\xff\xff\xff")), not_understood.clone()),
        ("a Hello nested 60,000 levels deep", opening(&message(&deep_nesting(60_000))), not_understood),
        ("a Hello that ends early", opening(&[200, 0, 0, 0, 0x94, 0xC0]), None),
    ];
    for (what, bytes, expected) in table {
        let mut stream = victim.connect().await;
        stream.write_all(&bytes).await.expect("it can be sent");
        stream.shutdown().await.expect("it can be finished");
        let answer = read_to_end(&mut stream, what).await;
        assert_eq!(refusal(&answer), expected, "{what}");
        assert!(expected.is_some() || answer.len() <= 6, "{what}: it is told {answer:?}");
        if let Some(refusal) = expected {
            victim.wait_for_log(&refusal.to_string(), what);
        }
        victim.is_unharmed(what).await;
    }
}

/// A frame by its parts, whatever they are.
fn frame(kind: u8, operation: u16, payload: &[u8]) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    bytes.put_u32_le(11 + u32::try_from(payload.len()).expect("a short payload"));
    bytes.put_u8(kind);
    bytes.put_u16_le(operation);
    bytes.put_u64_le(1);
    bytes.extend_from_slice(payload);
    bytes.to_vec()
}

fn read_replica() -> Vec<u8> {
    let key = RecordKey::new(PartitionId(0), "kv", b"\x01k");
    packed(&ReadReplica { trace: TraceId::default(), epoch: 1, key, slot: Slot::Own, binds: false })
}

#[tokio::test]
async fn bad_frames_close_their_connection_and_no_other() {
    let victim = Victim::start(1, &[]).await;
    let (put_number, get_number) = (Operation::Put.number(), Operation::Get.number());
    let over = (FRAME_MAX_BYTES + 1).to_le_bytes().to_vec();
    let table: [(&str, Role, Vec<u8>, &str); 16] = [
        ("noise", Role::Client, vec![0xFF; 64], "exceeds bridge.frame_max_bytes"),
        ("a length over the bound", Role::Client, over, "a frame of 1048577 bytes exceeds bridge.frame_max_bytes"),
        ("a length of zero", Role::Client, vec![0; 4], "a frame of 0 bytes is too short for its header"),
        ("a frame without a header", Role::Client, vec![10, 0, 0, 0], "a frame of 10 bytes is too short"),
        ("an unknown kind", Role::Client, frame(9, get_number, &[0xC0]), "unknown frame kind 9"),
        ("an unknown operation", Role::Client, frame(1, 999, &[0xC0]), "operation 999 is unknown"),
        ("no payload", Role::Client, frame(1, get_number, &[]), "operation 3: the payload is not understood"),
        ("a number for a Get", Role::Client, frame(1, get_number, &packed(&42)), "the payload is not understood"),
        ("a Get for a Put", Role::Client, frame(1, put_number, &packed(&get("k"))), "operation 1: the payload is not"),
        (
            "four billion fields",
            Role::Client,
            frame(1, put_number, b"\xdd\xff\xff\xff\xff"),
            "operation 1: the payload",
        ),
        (
            "a byte string of 4 GiB",
            Role::Client,
            frame(1, put_number, b"\x97\x01\xa2kv\xc6\xff\xff\xff\xff\x00"),
            "operation 1: the payload is not understood",
        ),
        ("deep nesting", Role::Client, frame(1, put_number, &deep_nesting(900_000)), "operation 1: the payload is not"),
        (
            "a replica's operation",
            Role::Client,
            frame(1, 22, &read_replica()),
            "ReadReplica is not for the role `client`",
        ),
        (
            "an admin's operation",
            Role::Client,
            frame(1, 40, &packed(&DescribeStatus)),
            "DescribeStatus is not for the role `client`",
        ),
        (
            "a replica's operation from an admin",
            Role::Admin,
            frame(1, 22, &read_replica()),
            "ReadReplica is not for the role `admin`",
        ),
        ("good and then bad", Role::Client, good_then_bad(), "operation 998 is unknown"),
    ];
    for (place, (what, role, bytes, reason)) in table.into_iter().enumerate() {
        let logged = victim.node().log_text().len();
        let mut stream = victim.introduced(role).await;
        stream.write_all(&bytes).await.expect("it can be sent");
        read_to_end(&mut stream, what).await;
        victim.node().wait_until(&format!("logs `{reason}` after {what}"), || {
            victim.node().log_text()[logged..].contains(reason)
        });
        victim.node().wait_until(&format!("counts {what}"), || {
            victim.node().metric_sum("slipring_refused_connections_total") as usize == place + 1
        });
        victim.is_unharmed(what).await;
    }
}

fn good_then_bad() -> Vec<u8> {
    [frame(1, Operation::Get.number(), &packed(&get("kept"))), frame(1, 998, &[0xC0])].concat()
}

#[tokio::test]
async fn a_peer_may_not_do_what_clients_and_admins_do() {
    let victim = Victim::start(3, &[]).await;
    let table = [
        ("Put", frame(1, Operation::Put.number(), &packed(&put("kept", "by a peer", None)))),
        ("DescribeLinks", frame(1, Operation::DescribeLinks.number(), &packed(&DescribeLinks))),
        ("DescribeStatus", frame(1, Operation::DescribeStatus.number(), &packed(&DescribeStatus))),
    ];
    for (operation, bytes) in table {
        let mut stream = victim.introduced(victim.peer_role().await).await;
        stream.write_all(&bytes).await.expect("it can be sent");
        read_to_end(&mut stream, operation).await;
        victim.wait_for_log(&format!("{operation} is not for the role `peer`"), operation);
        victim.is_unharmed(operation).await;
    }
}

/// Rumours count for whom they name: who came in as one member may not speak for another.
#[tokio::test]
async fn a_peer_may_not_speak_for_another() {
    let victim = Victim::start(3, &[]).await;
    let gossip = |from: &str| {
        let from = NodeId::new(from).expect("a name");
        let rumours = Rumours { from, datagrams: Vec::new(), known: KnownLife::default(), row: None };
        frame(1, Operation::Gossip.number(), &packed(&Gossip(rumours)))
    };
    let refusals = || victim.node().metric_sum("slipring_refused_connections_total") as usize;
    let before = refusals();
    let mut stream = victim.introduced(victim.peer_role().await).await;
    stream.write_all(&gossip("n1")).await.expect("it can be sent");
    let reply = next_frame(&mut stream).await;
    assert_eq!((reply.kind, reply.operation), (FrameKind::Reply, Operation::Gossip.number()), "under its own name");
    assert_eq!(refusals(), before);
    for (place, claimed) in ["n2", "n0", "stranger"].into_iter().enumerate() {
        let mut stream = victim.introduced(victim.peer_role().await).await;
        stream.write_all(&gossip(claimed)).await.expect("it can be sent");
        assert!(read_to_end(&mut stream, claimed).await.is_empty(), "{claimed}: it is not answered");
        victim.wait_for_log(&format!("n1 claims to be {claimed}"), claimed);
        victim.node().wait_until("counts it", || refusals() == before + place + 1);
        victim.is_unharmed(claimed).await;
    }
    victim.cluster.wait_until_connected();
}

/// What is not asked is not an error: an answer to nothing is dropped, and a ping is answered.
#[tokio::test]
async fn replies_to_nothing_are_dropped_and_the_connection_goes_on() {
    let victim = Victim::start(1, &[]).await;
    let mut stream = victim.introduced(Role::Client).await;
    let unasked = [frame(2, Operation::Put.number(), &[0xC0]), frame(4, 0, &[]), frame(3, 0, &[])].concat();
    stream.write_all(&unasked).await.expect("it can be sent");
    assert_eq!(next_frame(&mut stream).await.kind, FrameKind::Pong);
    stream.write_all(&frame(1, Operation::Get.number(), &packed(&get("kept")))).await.expect("it can be sent");
    let reply = next_frame(&mut stream).await;
    assert_eq!((reply.kind, reply.operation, reply.id), (FrameKind::Reply, Operation::Get.number(), 1));
    victim.is_unharmed("unasked replies").await;
}

async fn next_frame(stream: &mut TcpStream) -> Frame {
    let mut buffer = BytesMut::new();
    loop {
        if let Some(frame) = Frame::take(&mut buffer, FRAME_MAX_BYTES as usize).expect("a frame") {
            return frame;
        }
        let read = timeout(PATIENCE, stream.read_buf(&mut buffer)).await.expect("an answer").expect("no error");
        assert_ne!(read, 0, "the connection is closed");
    }
}

/// A frame that is cut leaves nothing behind, wherever it is cut.
#[tokio::test]
async fn a_frame_cut_anywhere_does_nothing() {
    let victim = Victim::start(1, &[]).await;
    let mut whole = BytesMut::new();
    let cut_put = put("cut", "never", None);
    encode(&mut whole, FrameKind::Request, Operation::Put.number(), 1, &cut_put, FRAME_MAX_BYTES as usize)
        .expect("a frame");
    for length in (0..whole.len()).step_by(7) {
        let mut stream = victim.introduced(Role::Client).await;
        stream.write_all(&whole[..length]).await.expect("it can be sent");
        stream.shutdown().await.expect("it can be finished");
        assert!(read_to_end(&mut stream, "a cut frame").await.is_empty(), "cut at {length}");
    }
    assert!(values(&do_get(&victim.good, &get("cut")).await.expect("a get")).is_empty());
    victim.is_unharmed("cut frames").await;
}

/// Who says nothing, or half a word, takes nothing from anybody else, and is sent away.
#[tokio::test]
async fn silent_connections_block_nobody() {
    let victim = Victim::start(1, &[]).await;
    let half_hello = [preamble(), vec![100, 0, 0, 0, 0x94]].concat();
    let mut silent = Vec::new();
    for opening in [Vec::new(), b"SL".to_vec(), half_hello] {
        for _ in 0..64 {
            let mut stream = victim.connect().await;
            stream.write_all(&opening).await.expect("it can be sent");
            silent.push(stream);
        }
    }
    // After the handshake: a frame that announces much and never comes.
    let mut announced = Vec::new();
    for _ in 0..64 {
        let mut stream = victim.introduced(Role::Client).await;
        stream.write_all(&FRAME_MAX_BYTES.to_le_bytes()).await.expect("it can be sent");
        announced.push(stream);
    }
    let newcomer = victim.node().client().await;
    for number in 0..100 {
        let key = format!("key-{number}");
        do_put(&newcomer, &put(&key, "written", None)).await.expect("a put");
        assert_eq!(values(&do_get(&newcomer, &get(&key)).await.expect("a get")), ["written"]);
    }
    for mut stream in silent {
        read_to_end(&mut stream, "silence in the handshake").await;
    }
    victim.is_unharmed("silence").await;
    drop(announced);
}

#[tokio::test]
async fn connections_past_the_limit_are_refused_until_there_is_room() {
    let victim = Victim::start(1, &[("limits.connections", "4")]).await;
    let mut held = Vec::new();
    for _ in 0..3 {
        held.push(victim.node().client().await);
    }
    let refused = Client::connect(&victim.node().bridge, ConnectOptions::default()).await.err();
    assert!(
        matches!(
            refused,
            Some(ConnectError::Handshake {
                source: HandshakeError::Refused(Refusal::TooManyConnections { max: 4 }),
                ..
            })
        ),
        "{refused:?}"
    );
    victim.is_unharmed("too many connections").await;
    drop(held);
    let begun = std::time::Instant::now();
    while let Err(error) = Client::connect(&victim.node().bridge, ConnectOptions::default()).await {
        assert!(begun.elapsed() < PATIENCE, "there is room again: {error}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// Why a dialler with this `Hello` is sent away.
async fn refused(node: &Node, hello: &Hello, secret: Option<&Secret>) -> Option<Refusal> {
    let mut stream = TcpStream::connect(&node.bridge).await.expect("the port is open");
    match dial(&mut stream, hello, secret).await {
        Err(HandshakeError::Refused(refusal)) => Some(refusal),
        Err(other) => panic!("not a refusal: {other}"),
        Ok(_) => None,
    }
}

#[tokio::test]
async fn nobody_comes_in_under_a_false_name() {
    let victim = Victim::start(3, &[]).await;
    let (node, other) = (victim.node(), victim.cluster.nodes[1].client().await);
    let uuid = cluster_uuid(&victim.good);
    let hello =
        |role| Hello { cluster_name: Some("slipring".to_owned()), cluster_uuid: Some(uuid), role, nonce: [3; 16] };
    let peer = |member, directory| hello(Role::Peer { member, directory });
    let (own, real) = (victim.good.welcome().member.clone(), other.welcome().member.clone());
    let real_directory = other.welcome().directory;
    let mut moved = real.clone();
    moved.address = "127.0.0.1:1".to_owned();
    let mut stranger = moved.clone();
    stranger.member.id = NodeId::new("stranger").expect("a name");
    let mut renamed = real.clone();
    renamed.member.id = NodeId::new("stranger").expect("a name");
    let not_a_member = |node: &str, address: &str| {
        Some(Refusal::NotAMember { node: NodeId::new(node).expect("a name"), address: address.to_owned() })
    };
    let other_cluster = uuid::Uuid::from_u128(1);
    let other_name = Hello { cluster_name: Some("other".to_owned()), ..hello(Role::Client) };
    let other_uuid = Hello { cluster_uuid: Some(other_cluster), ..hello(Role::Client) };
    let theirs = "other".to_owned();
    let table = [
        ("another cluster's name", other_name, Some(Refusal::OtherName { ours: "slipring".to_owned(), theirs })),
        ("another cluster's UUID", other_uuid, Some(Refusal::OtherCluster { ours: uuid, theirs: other_cluster })),
        ("a stranger", peer(stranger, 1), not_a_member("stranger", "127.0.0.1:1")),
        ("a member's address, another name", peer(renamed, 1), not_a_member("stranger", &real.address)),
        ("a member's name, another address", peer(moved, real_directory), not_a_member("n1", "127.0.0.1:1")),
        ("this node's own name", peer(own.clone(), 1), Some(Refusal::NameTaken { node: own.member.id })),
        (
            "a connected member's name with another data directory",
            peer(real.clone(), real_directory ^ 1),
            Some(Refusal::NameTaken { node: real.member.id.clone() }),
        ),
        ("the member itself, once more", peer(real, real_directory), None),
    ];
    for (what, hello, expected) in table {
        assert_eq!(refused(node, &hello, None).await, expected, "{what}");
        if let Some(refusal) = expected {
            // An operator can look on both sides: the node that refuses says the same.
            victim.wait_for_log(&refusal.to_string(), what);
        }
        victim.is_unharmed(what).await;
    }
    victim.cluster.wait_until_connected();
}

/// A connection under a member's name that has fallen silent, as when its machine lost power, keeps nobody out for ever.
#[tokio::test]
async fn a_silent_connection_does_not_hold_a_members_name() {
    let mut victim = Victim::start(3, &[]).await;
    let Role::Peer { member, directory } = victim.peer_role().await else { unreachable!("a peer") };
    victim.cluster.nodes[1].kill();
    victim.node().wait_until("misses n1", || victim.node().metric_sum("slipring_peer_up") as usize == 2);
    let silent = Role::Peer { member, directory: directory ^ 1 };
    let mut stream = victim.introduced(silent).await;
    victim.cluster.nodes[1].start();
    victim.cluster.wait_until_connected();
    read_to_end(&mut stream, "a silent peer").await;
    victim.is_unharmed("a silent peer").await;
}

#[tokio::test]
async fn nobody_comes_in_without_the_secret() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("secret");
    std::fs::write(&file, "a secret of some length").expect("a file");
    let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    std::fs::set_permissions(&file, private).expect("a private file");
    let path = format!("{:?}", file.display().to_string());
    let cluster = Cluster::start_with(1, &[("cluster.secret_file", &path)]);
    let node = &cluster.nodes[0];
    let secret = |text: &str| Some(Secret::new(text.as_bytes().to_vec()));
    let right = ConnectOptions { secret: secret("a secret of some length"), ..ConnectOptions::default() };
    let good = Client::connect(&node.bridge, right).await.expect("who knows the secret comes in");
    do_put(&good, &put("kept", "before", None)).await.expect("a put");

    for role in [Role::Client, Role::Admin] {
        let hello = Hello { cluster_name: None, cluster_uuid: None, role, nonce: [5; 16] };
        assert_eq!(refused(node, &hello, None).await, Some(Refusal::WrongSecret), "without a secret");
        // With another secret, the dialler does not even trust the node.
        let mut stream = TcpStream::connect(&node.bridge).await.expect("the port is open");
        let dialled = dial(&mut stream, &hello, secret("a secret of another sort").as_ref()).await;
        assert!(matches!(dialled, Err(HandshakeError::WrongSecret)), "{dialled:?}");
        assert_eq!(forged_proof(node, &hello).await, Some(Refusal::WrongSecret), "with a made-up proof");
        node.wait_until("logs the refusal", || node.log_text().contains(&Refusal::WrongSecret.to_string()));
    }
    assert_eq!(values(&do_get(&good, &get("kept")).await.expect("a get")), ["before"]);
    assert!(!node.log_text().contains("a secret of some length"), "the secret is never logged");
    node.assert_unharmed();
}

/// Says all the right words, with a proof of 32 zeros, and then asks for something.
async fn forged_proof(node: &Node, hello: &Hello) -> Option<Refusal> {
    let mut stream = TcpStream::connect(&node.bridge).await.expect("the port is open");
    let proof = message(&packed(&(Some([0_u8; 32]),)));
    let request = frame(1, Operation::Get.number(), &packed(&get("kept")));
    stream.write_all(&[preamble(), message(&packed(hello)), proof, request].concat()).await.expect("it can be sent");
    let answer = read_to_end(&mut stream, "a made-up proof").await;
    let mut rest = Bytes::from(answer).split_off(6);
    let mut next = || {
        let length = u32::from_le_bytes(*rest.first_chunk().expect("a length")) as usize;
        let _ = rest.split_to(4);
        rest.split_to(length)
    };
    let welcome: Result<Welcome, Refusal> = rmp_serde::from_slice(&next()).expect("a welcome");
    welcome.expect("the node cannot know yet");
    let verdict: Result<(), Refusal> = rmp_serde::from_slice(&next()).expect("a verdict");
    assert!(rest.is_empty(), "nothing more is answered");
    verdict.err()
}
