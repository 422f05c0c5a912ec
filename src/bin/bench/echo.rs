//! The loopback's limit: frames that come back as they were sent.
//!
//! The server reads what is there, turns each whole frame into a reply in place, and writes all of them at once: no actor, no
//! decoding, no storage. The client is the very worker that loads a node.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use slipring::dynamo::node_id::NodeId;
use slipring::dynamo::ring::Member;
use slipring::messages::cluster::MemberAddress;
use slipring::wire::frame::{FrameKind, encode};
use slipring::wire::handshake::{Welcome, accept};

use super::failure::Failure;
use super::frames::{FRAME_MAX_BYTES, success_marker};
use super::requests::{Answer, Outcome, Requests};
use super::tally::Kind;
use super::target::{blocking, runtime};

/// Listens until the process is ended, or also until the standard input ends; each connection has a thread.
///
/// # Errors
///
/// When it cannot listen.
pub fn serve(listen: SocketAddr, until_input_ends: bool) -> Result<(), Failure> {
    if until_input_ends {
        thread::spawn(|| {
            // An error is an end, too.
            let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
            std::process::exit(0);
        });
    }
    let listener = TcpListener::bind(listen).map_err(Failure::io(&format!("listening on {listen}")))?;
    // Whoever started this with port 0 reads here where it listens.
    let address = listener.local_addr().map_err(Failure::io("listening"))?;
    println!("{address}");
    for stream in listener.incoming() {
        let stream = stream.map_err(Failure::io("accepting a connection"))?;
        thread::spawn(move || {
            if let Err(error) = greet(stream, address).and_then(|stream| echo(stream).map_err(Failure::io("echoing"))) {
                eprintln!("slipring-bench: {error}");
            }
        });
    }
    Ok(())
}

/// Answers the handshake as a node does.
fn greet(stream: TcpStream, address: SocketAddr) -> Result<TcpStream, Failure> {
    let refused = |reason: String| Failure::NoConnection { reason };
    let id = NodeId::new("echo").map_err(|error| refused(error.to_string()))?;
    let member = MemberAddress { member: Member { id, zone: None, weight: 1 }, address: address.to_string() };
    let welcome = Welcome { member, directory: 0, founded: None, nonce: [0; 16], proof: None };
    stream.set_nodelay(true).and_then(|()| stream.set_nonblocking(true)).map_err(Failure::io("greeting"))?;
    runtime()?.block_on(async {
        let mut stream = tokio::net::TcpStream::from_std(stream).map_err(Failure::io("greeting"))?;
        accept(&mut stream, None, |_| Ok(welcome)).await.map_err(|error| refused(error.to_string()))?;
        blocking(stream).map_err(Failure::io("greeting"))
    })
}

fn echo(mut stream: TcpStream) -> std::io::Result<()> {
    let mut buffer = vec![0; 1 << 20];
    let mut filled = 0;
    loop {
        let read = stream.read(&mut buffer[filled..])?;
        if read == 0 {
            return Ok(());
        }
        filled += read;
        let whole = turn_into_replies(&mut buffer[..filled]);
        stream.write_all(&buffer[..whole])?;
        buffer.copy_within(whole..filled, 0);
        filled -= whole;
        if filled == buffer.len() {
            buffer.resize(2 * filled, 0);
        }
    }
}

/// Marks every whole frame as a reply and returns where they end.
fn turn_into_replies(bytes: &mut [u8]) -> usize {
    let mut at = 0;
    while let Some((prefix, rest)) = bytes[at..].split_first_chunk_mut::<4>() {
        let length = u32::from_le_bytes(*prefix) as usize;
        match rest.get_mut(..length) {
            Some([kind, ..]) => *kind = FrameKind::Reply as u8,
            _ => break,
        }
        at += 4 + length;
    }
    at
}

/// Requests of one size that any echo answers.
pub struct EchoRequests {
    frame: BytesMut,
    success: Vec<u8>,
}

/// Where a frame has its id.
const ID_AT: usize = 4 + 1 + 2;

impl EchoRequests {
    /// Each carries `value_bytes`, and looks like a success when it comes back.
    pub fn new(value_bytes: usize) -> Self {
        let mut frame = BytesMut::new();
        let payload: Result<Bytes, ()> = Ok(vec![7; value_bytes].into());
        // An empty frame, for a value beyond the bound, is answered by nobody and so counted as timed out.
        let _ = encode(&mut frame, FrameKind::Request, 0, 0, &payload, FRAME_MAX_BYTES);
        Self { frame, success: success_marker() }
    }
}

impl Requests for EchoRequests {
    type Asked = ();

    fn ask(&mut self, id: u64, out: &mut BytesMut) -> Option<()> {
        let start = out.len();
        out.extend_from_slice(&self.frame);
        out.get_mut(start + ID_AT..start + ID_AT + 8)?.copy_from_slice(&id.to_le_bytes());
        Some(())
    }

    fn take(&mut self, (): (), answer: Answer<'_>) -> Outcome {
        match answer {
            Answer::Came(payload) if payload.starts_with(&self.success) => Outcome::Done,
            Answer::Came(_) => Outcome::Failed("BadAnswer".to_owned()),
            Answer::TimedOut => Outcome::Failed("TimedOut".to_owned()),
            Answer::ConnectionLost => Outcome::Failed("ConnectionLost".to_owned()),
        }
    }

    fn kind((): ()) -> Kind {
        Kind::Echo
    }
}

/// How long an echo may take.
pub const ECHO_TIMEOUT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::super::frames::Inbox;
    use super::super::requests::{Answer, Outcome, Requests};
    use super::{EchoRequests, turn_into_replies};

    #[test]
    fn whole_frames_come_back_as_replies_and_the_rest_waits() {
        let mut requests = EchoRequests::new(100);
        let mut out = BytesMut::new();
        for id in [5, 6] {
            requests.ask(id, &mut out).unwrap();
        }
        let one = out.len() / 2;
        assert_eq!(turn_into_replies(&mut out[..one + 50]), one);
        assert_eq!(turn_into_replies(&mut out), 2 * one);
        let mut inbox = Inbox::new();
        inbox.read_from(&mut &out[..]).unwrap();
        for id in [5, 6] {
            let frame = inbox.next_frame().unwrap().unwrap();
            assert!(frame.is_reply && frame.id == id);
            assert_eq!(requests.take((), Answer::Came(frame.payload)), Outcome::Done);
        }
    }
}
