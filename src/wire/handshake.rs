//! The first words on a connection: who is there, to which cluster does it belong, and does it know the secret?
//!
//! ```text
//!  dialler                                     listener
//!    "SLIP" version Hello   ───────────────▶      admit(Hello): name, UUID, role, identity
//!                           ◀───────────────   "SLIP" version Result<Welcome, Refusal>
//!    Proof                  ───────────────▶      (secret known?)
//!                           ◀───────────────   Result<Ready, Refusal>
//! ```
//!
//! Version, cluster name and UUID are checked before anything else is parsed; until `Ready` no message is longer than 64 KiB.
//! With a secret each side proves that it knows it by an HMAC over both nonces; the secret itself never travels.

use std::fmt;
use std::io;

use hmac::{Hmac, KeyInit, Mac};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use uuid::Uuid;

use super::transport::ByteStream;
use crate::dynamo::node_id::NodeId;
use crate::messages::cluster::{FoundedCluster, MemberAddress};

const MAGIC: [u8; 4] = *b"SLIP";

/// The version of the handshake, the frames and the operations. Raised when an older node could misunderstand a newer one.
pub const PROTOCOL_VERSION: u16 = 5;

/// No message of the handshake is longer, in bytes.
const MESSAGE_MAX_BYTES: u32 = 64 * 1024;

/// What all members of a cluster know and nobody else does.
#[derive(Clone)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Wraps the bytes of the secret file.
    pub fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// What the dialler wants to be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Role {
    /// A member of the cluster, or one that is being founded with it.
    Peer {
        /// Its name and address.
        member: MemberAddress,
        /// Its data directory's id.
        directory: u64,
    },
    /// An application.
    Client,
    /// The admin REPL.
    Admin,
}

/// The dialler's first message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The cluster's name; a client need not know it.
    pub cluster_name: Option<String>,
    /// The cluster's UUID, as far as the dialler knows one.
    pub cluster_uuid: Option<Uuid>,
    /// What it wants to be.
    pub role: Role,
    /// Drawn at random for this connection.
    pub nonce: [u8; 16],
}

/// The listener's answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Welcome {
    /// Who answers.
    pub member: MemberAddress,
    /// Its data directory's id.
    pub directory: u64,
    /// Its cluster, once that is founded.
    pub founded: Option<FoundedCluster>,
    /// Drawn at random for this connection.
    pub nonce: [u8; 16],
    /// Its proof that it knows the secret, where there is one.
    pub proof: Option<[u8; 32]>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
struct Proof {
    proof: Option<[u8; 32]>,
}

/// Why a listener sent a dialler away. Nothing it said has been acted on.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
pub enum Refusal {
    /// Another protocol version.
    #[error("protocol version {theirs} is not spoken here (this node speaks {PROTOCOL_VERSION})")]
    OtherVersion {
        /// The dialler's version.
        theirs: u16,
    },
    /// Another cluster's name.
    #[error("this node belongs to the cluster named `{ours}`, not `{theirs}`")]
    OtherName {
        /// The listener's cluster.
        ours: String,
        /// The dialler's cluster.
        theirs: String,
    },
    /// The same name, but another cluster.
    #[error("this node belongs to the cluster {ours}, not {theirs}: two clusters never merge")]
    OtherCluster {
        /// The listener's cluster.
        ours: Uuid,
        /// The dialler's cluster.
        theirs: Uuid,
    },
    /// Not in the list of members.
    #[error("`{node}` at {address} is not a member of this cluster")]
    NotAMember {
        /// The name it gave.
        node: NodeId,
        /// The address it gave.
        address: String,
    },
    /// Somebody else goes by that name.
    #[error("another node goes by the name `{node}`")]
    NameTaken {
        /// The name it gave.
        node: NodeId,
    },
    /// The node has a secret and the dialler did not prove that it knows it.
    #[error("the cluster secret does not match (cluster.secret_file)")]
    WrongSecret,
    /// The cluster is not founded yet.
    #[error("the cluster is being founded: {waiting_for}")]
    Founding {
        /// What it waits for.
        waiting_for: String,
    },
    /// Too many connections.
    #[error("limits.connections = {max} is reached")]
    TooManyConnections {
        /// The limit.
        max: u64,
    },
    /// The message is not a handshake.
    #[error("not a Slipring handshake")]
    NotUnderstood,
    /// The dialler looks for its cluster, and this node cannot tell whether what it knows of it still holds.
    #[error(
        "this node reaches {reachable} of {members} members: it may know a cluster that is long another one, ask a member that reaches most"
    )]
    Isolated {
        /// How many members it reaches, itself and the dialler included.
        reachable: u32,
        /// How many there are, as it knows.
        members: u32,
    },
}

/// Why there is no connection.
#[derive(Debug, Error)]
pub enum HandshakeError {
    /// The operating system reports an error, or the other side closed the connection.
    #[error("{0}")]
    Io(#[from] io::Error),
    /// Whoever answers does not speak this protocol.
    #[error("this is not a Slipring bridge port")]
    NotSlipring,
    /// The listener speaks another version.
    #[error("the node speaks protocol version {theirs}, this program speaks {PROTOCOL_VERSION}")]
    OtherVersion {
        /// The listener's version.
        theirs: u16,
    },
    /// The listener refused.
    #[error("refused: {0}")]
    Refused(#[from] Refusal),
    /// A message could not be understood or is too long.
    #[error("an unintelligible handshake")]
    NotUnderstood,
    /// It did not prove that it knows the secret.
    #[error("the other side does not know the cluster secret (cluster.secret_file)")]
    WrongSecret,
}

/// Introduces this side to a listener. On a stream that may change threads, so may this.
pub async fn dial(
    stream: &mut (impl ByteStream + ?Sized),
    hello: &Hello,
    secret: Option<&Secret>,
) -> Result<Welcome, HandshakeError> {
    let mut opening = preamble().to_vec();
    append(&mut opening, hello);
    stream.write_all(&opening).await?;
    let theirs = read_preamble(stream).await?;
    if theirs != PROTOCOL_VERSION {
        return Err(HandshakeError::OtherVersion { theirs });
    }
    let welcome: Welcome = read::<Result<Welcome, Refusal>>(stream).await??;
    if let Some(secret) = secret {
        verify(secret, "listener", hello, &welcome.nonce, welcome.proof.as_ref())
            .map_err(|_| HandshakeError::WrongSecret)?;
    }
    let proof = secret.map(|secret| prove(secret, "dialler", hello, &welcome.nonce));
    let mut message = Vec::new();
    append(&mut message, &Proof { proof });
    stream.write_all(&message).await?;
    read::<Result<(), Refusal>>(stream).await??;
    Ok(welcome)
}

/// Receives a dialler. `admit` decides on its `Hello`; a refusal is sent before the connection is given up.
pub async fn accept(
    stream: &mut dyn ByteStream,
    secret: Option<&Secret>,
    admit: impl FnOnce(&Hello) -> Result<Welcome, Refusal>,
) -> Result<Hello, HandshakeError> {
    let theirs = read_preamble(stream).await?;
    stream.write_all(&preamble()).await?;
    if theirs != PROTOCOL_VERSION {
        return refuse(stream, Refusal::OtherVersion { theirs }).await;
    }
    let hello: Hello = match read(stream).await {
        Ok(hello) => hello,
        Err(HandshakeError::NotUnderstood) => return refuse(stream, Refusal::NotUnderstood).await,
        Err(error) => return Err(error),
    };
    let mut welcome = match admit(&hello) {
        Ok(welcome) => welcome,
        Err(refusal) => return refuse(stream, refusal).await,
    };
    welcome.proof = secret.map(|secret| prove(secret, "listener", &hello, &welcome.nonce));
    answer::<Result<Welcome, Refusal>>(stream, &Ok(welcome.clone())).await?;
    let proof: Proof = read(stream).await?;
    if let Some(secret) = secret
        && verify(secret, "dialler", &hello, &welcome.nonce, proof.proof.as_ref()).is_err()
    {
        return refuse(stream, Refusal::WrongSecret).await;
    }
    answer::<Result<(), Refusal>>(stream, &Ok(())).await?;
    Ok(hello)
}

async fn refuse<T>(stream: &mut dyn ByteStream, refusal: Refusal) -> Result<T, HandshakeError> {
    answer::<Result<(), Refusal>>(stream, &Err(refusal.clone())).await?;
    stream.shutdown().await?;
    Err(HandshakeError::Refused(refusal))
}

fn preamble() -> [u8; 6] {
    let [low, high] = PROTOCOL_VERSION.to_le_bytes();
    let [a, b, c, d] = MAGIC;
    [a, b, c, d, low, high]
}

async fn read_preamble(stream: &mut (impl ByteStream + ?Sized)) -> Result<u16, HandshakeError> {
    let mut magic = [0; 4];
    stream.read_exact(&mut magic).await?;
    if magic != MAGIC {
        return Err(HandshakeError::NotSlipring);
    }
    Ok(stream.read_u16_le().await?)
}

fn append<T: Serialize>(bytes: &mut Vec<u8>, message: &T) {
    let start = bytes.len();
    bytes.extend([0; 4]);
    // Writing plain values into memory cannot fail; were it to, the other side refuses the empty message.
    let _ = rmp_serde::encode::write(bytes, message);
    let length = u32::try_from(bytes.len() - start - 4).unwrap_or(u32::MAX);
    bytes[start..start + 4].copy_from_slice(&length.to_le_bytes());
}

async fn answer<T: Serialize>(stream: &mut dyn ByteStream, message: &T) -> io::Result<()> {
    let mut bytes = Vec::new();
    append(&mut bytes, message);
    stream.write_all(&bytes).await
}

async fn read<T: DeserializeOwned>(stream: &mut (impl ByteStream + ?Sized)) -> Result<T, HandshakeError> {
    let length = stream.read_u32_le().await?;
    if length > MESSAGE_MAX_BYTES {
        return Err(HandshakeError::NotUnderstood);
    }
    let mut bytes = vec![0; length as usize];
    stream.read_exact(&mut bytes).await?;
    super::frame::decode(0, &bytes).map_err(|_| HandshakeError::NotUnderstood)
}

fn mac(secret: &Secret, side: &str, hello: &Hello, listener_nonce: &[u8; 16]) -> Option<Hmac<Sha256>> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&secret.0).ok()?;
    let mut said = Vec::new();
    append(&mut said, hello);
    for part in [side.as_bytes(), &said, listener_nonce] {
        mac.update(part);
    }
    Some(mac)
}

fn prove(secret: &Secret, side: &str, hello: &Hello, listener_nonce: &[u8; 16]) -> [u8; 32] {
    mac(secret, side, hello, listener_nonce).map(|mac| mac.finalize().into_bytes().into()).unwrap_or_default()
}

fn verify(
    secret: &Secret,
    side: &str,
    hello: &Hello,
    nonce: &[u8; 16],
    proof: Option<&[u8; 32]>,
) -> Result<(), HandshakeError> {
    let proof = proof.ok_or(HandshakeError::WrongSecret)?;
    let mac = mac(secret, side, hello, nonce).ok_or(HandshakeError::WrongSecret)?;
    mac.verify_slice(proof).map_err(|_| HandshakeError::WrongSecret)
}

#[cfg(test)]
mod tests {
    use super::{HandshakeError, Hello, MAGIC, PROTOCOL_VERSION, Refusal, Role, Secret, Welcome, accept, dial};
    use crate::dynamo::node_id::NodeId;
    use crate::dynamo::ring::Member;
    use crate::messages::cluster::MemberAddress;
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    fn hello() -> Hello {
        Hello { cluster_name: Some("slipring".to_owned()), cluster_uuid: None, role: Role::Client, nonce: [1; 16] }
    }

    fn welcome() -> Welcome {
        let member = Member { id: NodeId::new("a").unwrap(), zone: None, weight: 1 };
        let member = MemberAddress { member, address: "127.0.0.1:7400".to_owned() };
        Welcome { member, directory: 7, founded: None, nonce: [2; 16], proof: None }
    }

    async fn meet(
        dialler: Option<Secret>,
        listener: Option<Secret>,
        verdict: Result<Welcome, Refusal>,
    ) -> (Result<Welcome, HandshakeError>, Result<Hello, HandshakeError>) {
        let (mut near, mut far) = duplex(1 << 16);
        // Each side owns its end, so that one that gives up hangs up.
        tokio::join!(async move { dial(&mut near, &hello(), dialler.as_ref()).await }, async move {
            accept(&mut far, listener.as_ref(), |_| verdict).await
        },)
    }

    fn secret(text: &str) -> Option<Secret> {
        Some(Secret::new(text.as_bytes().to_vec()))
    }

    #[tokio::test]
    async fn both_sides_meet_with_the_same_secret_or_none() {
        for shared in [None, secret("sixteen bytes or more")] {
            let (dialled, accepted) = meet(shared.clone(), shared, Ok(welcome())).await;
            assert_eq!(dialled.unwrap().directory, 7);
            assert_eq!(accepted.unwrap(), hello());
        }
    }

    #[tokio::test]
    async fn a_wrong_or_missing_secret_is_refused() {
        let (dialled, _) = meet(secret("wrong"), secret("right"), Ok(welcome())).await;
        assert!(matches!(dialled, Err(HandshakeError::WrongSecret)));
        let (dialled, accepted) = meet(None, secret("right"), Ok(welcome())).await;
        assert!(matches!(dialled, Err(HandshakeError::Refused(Refusal::WrongSecret))));
        assert!(matches!(accepted, Err(HandshakeError::Refused(Refusal::WrongSecret))));
    }

    #[tokio::test]
    async fn the_dialler_learns_why_it_is_refused() {
        let refusal = Refusal::OtherName { ours: "x".to_owned(), theirs: "y".to_owned() };
        let (dialled, _) = meet(None, None, Err(refusal.clone())).await;
        assert!(matches!(dialled, Err(HandshakeError::Refused(found)) if found == refusal));
    }

    async fn after(opening: &[u8]) -> (Vec<u8>, Result<Hello, HandshakeError>) {
        let (mut near, far): (DuplexStream, DuplexStream) = duplex(1 << 16);
        near.write_all(opening).await.unwrap();
        let accepted = async {
            let mut far = far;
            accept(&mut far, None, |_| Ok(welcome())).await
        };
        let accepted = accepted.await;
        near.shutdown().await.unwrap();
        let mut answer = Vec::new();
        near.read_to_end(&mut answer).await.unwrap();
        (answer, accepted)
    }

    #[tokio::test]
    async fn another_version_is_told_so_and_garbage_is_told_nothing() {
        let (answer, accepted) = after(b"SLIP\x63\x00").await;
        assert!(matches!(accepted, Err(HandshakeError::Refused(Refusal::OtherVersion { theirs: 0x63 }))));
        assert!(answer.starts_with(b"SLIP") && answer[4..6] == PROTOCOL_VERSION.to_le_bytes());
        let (answer, accepted) = after(b"GET / HTTP/1.1\r\n\r\n").await;
        assert!(matches!(accepted, Err(HandshakeError::NotSlipring)));
        assert!(answer.is_empty());
    }

    #[tokio::test]
    async fn an_overlong_hello_is_refused_before_it_is_read() {
        let preamble = [&MAGIC[..], &PROTOCOL_VERSION.to_le_bytes(), &[0xff; 4]].concat();
        let (_, accepted) = after(&preamble).await;
        assert!(matches!(accepted, Err(HandshakeError::Refused(Refusal::NotUnderstood))));
    }
}
