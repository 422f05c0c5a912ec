//! The DynamoDB API as tests speak it: HTTP/1.1 by hand on a connection that stays open, so that nothing is repeated behind a test's back.
#![allow(dead_code, reason = "each test file uses its own part of this module")]

pub mod writers;

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use flate2::read::GzDecoder;
use serde_json::{Value, json};

/// Whoever is not answered for so long has been left hanging.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// A connection to one node.
pub struct Connection {
    stream: TcpStream,
    came: Vec<u8>,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Connection {
    pub fn open(address: &str) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        Ok(Self { stream, came: Vec::new() })
    }

    /// Asks for an operation and waits for the answer.
    pub fn ask(&mut self, operation: &str, parameters: &Value) -> io::Result<Answer> {
        self.send(&request(operation, parameters.to_string().as_bytes()))?;
        self.receive()?.ok_or_else(|| ErrorKind::UnexpectedEof.into())
    }

    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Nothing more will be sent.
    pub fn end(&self) -> io::Result<()> {
        self.stream.shutdown(std::net::Shutdown::Write)
    }

    /// The next answer; `None`: the connection has been closed instead.
    pub fn receive(&mut self) -> io::Result<Option<Answer>> {
        let mut buffer = [0; 16 * 1024];
        loop {
            if let Some((answer, bytes)) = Answer::front_of(&self.came) {
                self.came.drain(..bytes);
                return Ok(Some(answer));
            }
            match self.stream.read(&mut buffer) {
                Ok(0) => return Ok(None),
                Ok(read) => self.came.extend_from_slice(&buffer[..read]),
                // It was closed while more was on its way.
                Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::BrokenPipe) => {
                    return Ok(None);
                }
                Err(error) => return Err(error),
            }
        }
    }
}

impl Answer {
    /// The answer at the front, and how many bytes it has. Nodes say how long each is.
    fn front_of(bytes: &[u8]) -> Option<(Self, usize)> {
        let head_end = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
        let head = String::from_utf8_lossy(&bytes[..head_end]).to_ascii_lowercase();
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default();
        let answer = Self { status, head, body: Vec::new() };
        let length: usize = answer.header("content-length").and_then(|length| length.parse().ok()).unwrap_or_default();
        let body = bytes.get(head_end..head_end + length)?.to_vec();
        Some((Self { body, ..answer }, head_end + length))
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }

    /// Whether the connection is closed after it.
    pub fn closes(&self) -> bool {
        self.header("connection") == Some("close") || self.head.starts_with("http/1.0")
    }

    /// The body as JSON, unpacked; null where it is none.
    pub fn json(&self) -> Value {
        match self.header("content-encoding") {
            Some("gzip") => serde_json::from_reader(GzDecoder::new(&*self.body)),
            _ => serde_json::from_slice(&self.body),
        }
        .unwrap_or_default()
    }

    pub fn is_done(&self) -> bool {
        self.status == 200
    }

    /// The error's name; empty where there is none.
    pub fn error(&self) -> String {
        let said = self.json();
        let named = said["__type"].as_str().unwrap_or_default();
        named.rsplit('#').next().unwrap_or_default().to_owned()
    }
}

/// A request as clients send it.
pub fn request(operation: &str, body: &[u8]) -> Vec<u8> {
    let head = format!(
        "POST / HTTP/1.1\r\nHost: test\r\nContent-Type: application/x-amz-json-1.0\r\n\
         X-Amz-Target: DynamoDB_20120810.{operation}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    [head.as_bytes(), body].concat()
}

/// Creates a table with a text `id` as its key; all nodes know it.
pub fn create_table(address: &str, name: &str) {
    let definition = json!({
        "TableName": name,
        "AttributeDefinitions": [{"AttributeName": "id", "AttributeType": "S"}],
        "KeySchema": [{"AttributeName": "id", "KeyType": "HASH"}],
        "BillingMode": "PAY_PER_REQUEST",
    });
    let begun = Instant::now();
    loop {
        let answer = Connection::open(address).and_then(|mut connection| connection.ask("CreateTable", &definition));
        let answer = answer.expect("the node answers");
        // A cluster that has just been founded may have no leader yet; what was asked for before may have been done by now.
        match (answer.status, answer.error().as_str()) {
            (200, _) | (_, "ResourceInUseException") => return,
            (503, _) if begun.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(20)),
            _ => panic!("{name}: {}", String::from_utf8_lossy(&answer.body)),
        }
    }
}

/// The item as all acknowledged writes have left it; null where there is none.
pub fn item(address: &str, table: &str, id: &str) -> Value {
    let asked = json!({"TableName": table, "Key": {"id": {"S": id}}, "ConsistentRead": true});
    let answer = Connection::open(address).and_then(|mut connection| connection.ask("GetItem", &asked));
    let answer = answer.expect("the node answers");
    assert!(answer.is_done(), "{id}: {}", String::from_utf8_lossy(&answer.body));
    answer.json()["Item"].take()
}
