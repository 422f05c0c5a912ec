//! The wire does not change by accident: fixed values of every message must have the bytes that are recorded in `tests/frames`,
//! and the recorded bytes must mean those values.
//!
//! A failure here means that nodes and clients of different versions no longer understand each other. When the change is
//! wanted, raise `PROTOCOL_VERSION`. `SLIPRING_BLESS=1` records what has no record yet; `SLIPRING_BLESS=overwrite` replaces records.

#[path = "frames/modify.rs"]
mod modify;
#[path = "frames/samples.rs"]
mod samples;

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::path::{Path, PathBuf};

use bytes::BytesMut;
use serde::de::DeserializeOwned;
use slipring::wire::frame::{Frame, FrameKind, encode};
use slipring::wire::handshake::{HandshakeError, Hello, Refusal, Secret, Welcome, accept, dial};
use slipring::wire::operation::{BridgeRequest, Operation};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, duplex};

/// Every number that was ever given out. A line may be added, never changed or removed.
const NUMBERS: &[(&str, u16)] = &[
    ("Put", 1),
    ("Delete", 2),
    ("Get", 3),
    ("Scan", 4),
    ("Where", 5),
    ("ListTables", 6),
    ("Query", 7),
    ("Modify", 8),
    ("TransactWrite", 9),
    ("TransactGet", 10),
    ("CoordinateWrite", 20),
    ("WriteReplica", 21),
    ("ReadReplica", 22),
    ("ScanReplica", 23),
    ("CompareReplica", 24),
    ("Gossip", 25),
    ("StepLog", 26),
    ("EnrolLog", 27),
    ("Propose", 28),
    ("SequenceModify", 29),
    ("ReadRoot", 30),
    ("ReadLeaves", 31),
    ("ListBuckets", 32),
    ("DistrustTree", 33),
    ("ProbeTombstones", 34),
    ("CollectTombstones", 35),
    ("HintedPartitions", 36),
    ("ReadEpoch", 37),
    ("FetchMetadata", 38),
    ("TendMove", 39),
    ("DescribeStatus", 40),
    ("DescribeNodes", 41),
    ("DescribeRing", 42),
    ("ReadMetrics", 43),
    ("DescribeHints", 44),
    ("DescribeLinks", 45),
    ("DescribeRepair", 46),
    ("ControlRepair", 47),
    ("DescribeTombstones", 48),
    ("DescribeLoad", 50),
    ("ReadLoad", 51),
    ("DescribeMetadata", 52),
    ("ChangeTables", 53),
    ("StageNode", 54),
    ("ChangeRing", 55),
    ("DescribePlan", 56),
    ("CommitPlan", 57),
    ("DescribeTasks", 58),
    ("Rebalance", 59),
];

const FRAME_MAX_BYTES: usize = 1 << 20;

/// The number of every recorded frame.
const FRAME_ID: u64 = 0x0102_0304_0506_0708;

/// What is recorded under one name.
struct Record {
    name: String,
    bytes: Vec<u8>,
}

/// All records, encoded by this version.
#[derive(Default)]
pub struct Records(Vec<Record>);

impl Records {
    /// One operation: its request, an answer, and at least one error.
    fn operation<M>(&mut self, request: &M, answer: &M::Reply, errors: &[M::Error])
    where
        M: BridgeRequest + PartialEq + Debug,
        M::Reply: PartialEq + Clone,
        M::Error: PartialEq + Clone,
    {
        let name = format!("{:02}_{:?}", M::OPERATION.number(), M::OPERATION);
        assert!(!errors.is_empty(), "{name}: record an error too");
        self.frame(format!("{name}.request"), FrameKind::Request, M::OPERATION, request);
        let answer: Result<M::Reply, M::Error> = Ok(answer.clone());
        self.frame(format!("{name}.ok"), FrameKind::Reply, M::OPERATION, &answer);
        for (place, error) in errors.iter().enumerate() {
            let error: Result<M::Reply, M::Error> = Err(error.clone());
            self.frame(format!("{name}.error{place}"), FrameKind::Reply, M::OPERATION, &error);
        }
    }

    /// One more request of an operation that has a record.
    fn another<M: BridgeRequest + PartialEq + Debug>(&mut self, what: &str, request: &M) {
        let name = format!("{:02}_{:?}.{what}", M::OPERATION.number(), M::OPERATION);
        self.frame(name, FrameKind::Request, M::OPERATION, request);
    }

    /// Encodes, and checks that what is recorded is read back as the same value.
    fn frame<T>(&mut self, name: String, kind: FrameKind, operation: Operation, value: &T)
    where
        T: serde::Serialize + DeserializeOwned + PartialEq + Debug,
    {
        let mut bytes = BytesMut::new();
        encode(&mut bytes, kind, operation.number(), FRAME_ID, value, FRAME_MAX_BYTES).expect("it fits");
        if let Some(recorded) = read_record(&name) {
            let mut recorded = BytesMut::from(&recorded[..]);
            let frame = Frame::take(&mut recorded, FRAME_MAX_BYTES).expect("a frame").expect("a whole frame");
            assert_eq!((frame.kind, frame.operation, frame.id), (kind, operation.number(), FRAME_ID), "{name}: header");
            let read =
                frame.decode::<T>().unwrap_or_else(|error| panic!("{name}: recorded and not understood: {error}"));
            assert_eq!(read, *value, "{name}: the recorded bytes have another meaning now");
            assert!(recorded.is_empty(), "{name}: bytes after the frame");
        }
        self.0.push(Record { name, bytes: bytes.to_vec() });
    }

    fn compare(&self) {
        let changed: Vec<&str> = self.0.iter().filter_map(Record::complaint).collect();
        assert!(
            changed.is_empty(),
            "these bytes differ from what is recorded in tests/frames: {changed:?}. Older nodes and clients would not understand \
             this version. If that is wanted: raise PROTOCOL_VERSION, then SLIPRING_BLESS=overwrite cargo test --test wire_frames"
        );
    }
}

impl Record {
    /// Its name, if it is not what is recorded.
    fn complaint(&self) -> Option<&str> {
        let path = path_of(&self.name);
        let bless = std::env::var("SLIPRING_BLESS").unwrap_or_default();
        let recorded = std::fs::read(&path).ok();
        if recorded.as_deref() == Some(&self.bytes[..]) {
            return None;
        }
        match (recorded.is_some(), bless.as_str()) {
            (false, "1") | (_, "overwrite") => {
                std::fs::write(&path, &self.bytes).expect("the record can be written");
                None
            }
            (false, _) => {
                panic!("{} has no record: SLIPRING_BLESS=1 cargo test --test wire_frames makes it", self.name)
            }
            (true, _) => Some(&self.name),
        }
    }
}

fn path_of(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frames").join(format!("{name}.bin"))
}

fn read_record(name: &str) -> Option<Vec<u8>> {
    match std::env::var("SLIPRING_BLESS").as_deref() {
        Ok("overwrite") => None,
        _ => std::fs::read(path_of(name)).ok(),
    }
}

fn record_operations() -> Records {
    let mut records = Records::default();
    samples::client_operations(&mut records);
    modify::modify_operations(&mut records);
    modify::transaction_operations(&mut records);
    samples::replica_operations(&mut records);
    samples::detection_operations(&mut records);
    samples::admin_operations(&mut records);
    samples::repair_operations(&mut records);
    samples::garbage_operations(&mut records);
    samples::metadata_operations(&mut records);
    samples::load_operations(&mut records);
    samples::ring_operations(&mut records);
    samples::balancing_operations(&mut records);
    records
}

#[test]
fn every_operation_is_what_is_recorded() {
    record_operations().compare();
}

#[test]
fn operations_keep_their_numbers() {
    let now: Vec<(String, u16)> =
        Operation::ALL.iter().map(|operation| (format!("{operation:?}"), operation.number())).collect();
    for (name, number) in NUMBERS {
        let kept = now.iter().any(|(known, same)| known == name && same == number);
        assert!(kept, "{name} = {number} was removed or renumbered: a number never changes its meaning");
    }
    for (name, number) in &now {
        assert!(NUMBERS.contains(&(name, *number)), "{name} = {number} is new: add it to NUMBERS and record it");
        assert_eq!(Operation::from_number(*number).map(Operation::number), Some(*number));
    }
}

#[test]
fn every_operation_has_a_record_and_every_record_an_operation() {
    let known: BTreeSet<String> = record_operations().0.into_iter().map(|record| record.name).collect();
    for operation in Operation::ALL {
        let name = format!("{:02}_{operation:?}.request", operation.number());
        assert!(known.contains(&name), "{operation:?} has no record: add it to tests/frames/samples.rs");
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/frames");
    for entry in std::fs::read_dir(folder).expect("tests/frames") {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        let is_frame = path.extension().is_some_and(|end| end == "bin") && !name.starts_with("handshake");
        assert!(!is_frame || known.contains(&name), "{}: recorded, and no longer spoken", path.display());
    }
}

/// What both sides say in a handshake.
struct Handshake {
    dialler: Vec<u8>,
    listener: Vec<u8>,
    dialled: Result<Welcome, HandshakeError>,
    accepted: Result<Hello, HandshakeError>,
}

async fn shake(hello: &Hello, admitted: Result<Welcome, Refusal>, secret: Option<&Secret>) -> Handshake {
    const ROOM: usize = 1 << 16;
    let ((mut near, mut near_wire), (mut far_wire, mut far)) = (duplex(ROOM), duplex(ROOM));
    let (mut dialler, mut listener) = (Vec::new(), Vec::new());
    let carry = async {
        let (mut up, mut down) = ([0; 4096], [0; 4096]);
        loop {
            tokio::select! {
                biased;
                Ok(count @ 1..) = near_wire.read(&mut up) => {
                    dialler.extend_from_slice(&up[..count]);
                    let _ = far_wire.write_all(&up[..count]).await;
                }
                Ok(count @ 1..) = far_wire.read(&mut down) => {
                    listener.extend_from_slice(&down[..count]);
                    let _ = near_wire.write_all(&down[..count]).await;
                }
                else => break,
            }
        }
    };
    let dialling = async {
        let outcome = dial(&mut near, hello, secret).await;
        drop(near);
        outcome
    };
    let accepting = async {
        let outcome = accept(&mut far, secret, |_| admitted).await;
        drop(far);
        outcome
    };
    let (dialled, accepted, ()) = tokio::join!(dialling, accepting, carry);
    Handshake { dialler, listener, dialled, accepted }
}

/// Plays a recorded side to this version.
async fn replay_listener(recorded: &[u8], hello: &Hello, secret: Option<&Secret>) -> Result<Welcome, HandshakeError> {
    let (mut near, mut far) = duplex(1 << 16);
    far.write_all(recorded).await.expect("it fits");
    dial(&mut near, hello, secret).await
}

async fn replay_dialler(recorded: &[u8], admitted: Welcome, secret: Option<&Secret>) -> Result<Hello, HandshakeError> {
    let (mut near, mut far) = duplex(1 << 16);
    near.write_all(recorded).await.expect("it fits");
    accept(&mut far, secret, |_| Ok(admitted)).await
}

#[tokio::test]
async fn the_handshake_is_what_is_recorded() {
    let mut records = Records::default();
    for (name, hello, has_secret) in samples::hellos() {
        let secret = has_secret.then(|| Secret::new(b"a secret of the recorded cluster".to_vec()));
        let said = shake(&hello, Ok(samples::welcome()), secret.as_ref()).await;
        let welcome = said.dialled.expect("the dialler is let in");
        assert_eq!(said.accepted.expect("the listener lets it in"), hello);
        let (from_dialler, from_listener) = (format!("handshake_{name}.dialler"), format!("handshake_{name}.listener"));
        if let Some(recorded) = read_record(&from_dialler) {
            let read = replay_dialler(&recorded, samples::welcome(), secret.as_ref()).await;
            assert_eq!(read.expect("the recorded dialler is let in"), hello, "{name}");
        }
        if let Some(recorded) = read_record(&from_listener) {
            let read = replay_listener(&recorded, &hello, secret.as_ref()).await;
            assert_eq!(read.expect("the recorded listener lets in"), welcome, "{name}");
        }
        records.0.push(Record { name: from_dialler, bytes: said.dialler });
        records.0.push(Record { name: from_listener, bytes: said.listener });
    }
    records.compare();
}

#[tokio::test]
async fn every_refusal_is_what_is_recorded() {
    let (_, hello, _) = samples::hellos().remove(0);
    let mut records = Records::default();
    for (name, refusal) in samples::refusals() {
        let said = shake(&hello, Err(refusal.clone()), None).await;
        assert!(matches!(said.dialled, Err(HandshakeError::Refused(found)) if found == refusal), "{name}");
        let name = format!("handshake_refused_{name}.listener");
        if let Some(recorded) = read_record(&name) {
            let read = replay_listener(&recorded, &hello, None).await;
            assert!(matches!(read, Err(HandshakeError::Refused(found)) if found == refusal), "{name}");
        }
        records.0.push(Record { name, bytes: said.listener });
    }
    records.compare();
}
