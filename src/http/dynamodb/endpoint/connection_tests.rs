//! What becomes of connections: bodies that are slow, too large or break off.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use actix_web::{App, HttpServer, rt};

use super::Endpoint;
use super::tests::Echo;

/// Serves on a port of this machine until the test ends.
fn serve(deadline: Duration) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        rt::System::new().block_on(async move {
            let app =
                move || App::new().configure(|config| Endpoint::new(Echo).body_deadline(deadline).register(config));
            HttpServer::new(app).workers(1).disable_signals().listen(listener).unwrap().run().await
        })
    });
    address
}

fn connect(address: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    stream
}

const HEAD: &str = "POST / HTTP/1.1\r\nHost: a\r\nX-Amz-Target: DynamoDB_20120810.ListTables\r\n\
                    Content-Type: application/x-amz-json-1.0\r\n";

/// All that comes until the server closes the connection.
fn read_to_end(stream: &mut TcpStream) -> String {
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        Ok(_) => {}
        // The server closed while more was on its way.
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        Err(error) => panic!("the connection is not closed: {error}"),
    }
    String::from_utf8(answer).unwrap()
}

#[test]
fn a_connection_is_used_again() {
    let address = serve(Duration::from_secs(10));
    let mut stream = connect(address);
    for body in ["{}", "nonsense", ""] {
        write!(stream, "{HEAD}Content-Length: {}\r\n\r\n{body}", body.len()).unwrap();
        let mut answer = [0; 12];
        stream.read_exact(&mut answer).unwrap();
        let expected: &[u8] = if body == "{}" { b"HTTP/1.1 200" } else { b"HTTP/1.1 400" };
        assert_eq!(answer, expected);
        let mut rest = Vec::new();
        let mut byte = [0];
        while !rest.ends_with(b"}") {
            stream.read_exact(&mut byte).unwrap();
            rest.push(byte[0]);
        }
    }
}

#[test]
fn a_slow_body_is_given_up() {
    let address = serve(Duration::from_millis(300));
    let mut stream = connect(address);
    let begun = Instant::now();
    write!(stream, "{HEAD}Content-Length: 100\r\n\r\n{{").unwrap();
    let answer = read_to_end(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    assert!(answer.contains("RequestTimeoutException"), "{answer}");
    assert!((Duration::from_millis(250)..Duration::from_secs(5)).contains(&begun.elapsed()));
}

#[test]
fn a_slow_body_in_chunks_is_given_up_too() {
    let address = serve(Duration::from_millis(300));
    let mut stream = connect(address);
    write!(stream, "{HEAD}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n").unwrap();
    let answer = read_to_end(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[test]
fn a_body_that_says_it_is_too_large_is_not_waited_for() {
    let address = serve(Duration::from_secs(10));
    let mut stream = connect(address);
    write!(stream, "{HEAD}Content-Length: {}\r\n\r\n", (16 << 20) + 1).unwrap();
    let answer = read_to_end(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[test]
fn a_body_that_grows_too_large_is_cut_off() {
    let address = serve(Duration::from_secs(10));
    let mut stream = connect(address);
    write!(stream, "{HEAD}Transfer-Encoding: chunked\r\n\r\n").unwrap();
    let chunk = format!("{:x}\r\n{}\r\n", 1 << 20, " ".repeat(1 << 20));
    for _ in 0..17 {
        if stream.write_all(chunk.as_bytes()).is_err() {
            break;
        }
    }
    let answer = read_to_end(&mut stream);
    // What was on its way may have taken the answer with it; the connection is closed in any case.
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[test]
fn the_largest_body_is_read() {
    let address = serve(Duration::from_secs(30));
    let mut stream = connect(address);
    let body = format!("{{}}{}", " ".repeat((16 << 20) - 2));
    write!(stream, "{HEAD}Connection: close\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let answer = read_to_end(&mut stream);
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}
