//! Answers of HTTP/1.1, told apart on a connection.

const CONTENT_LENGTH: &[u8] = b"content-length:";

/// The answer at the front of what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// How many bytes it has, head and body.
    pub bytes: usize,
    /// Such as 200.
    pub status: u16,
    /// As sent: with the marks of chunks, where it came in chunks.
    pub body: &'a [u8],
    /// Whether it is the last on its connection.
    pub is_last: bool,
}

impl<'a> Response<'a> {
    /// `None`: not all of it is there.
    pub fn front_of(bytes: &'a [u8]) -> Option<Self> {
        let head_end = find(bytes, b"\r\n\r\n")? + 4;
        let (head, rest) = bytes.split_at(head_end);
        let (mut length, mut is_last) = (None, false);
        for line in head.split(|byte| *byte == b'\n') {
            match line.split_at_checked(CONTENT_LENGTH.len()) {
                Some((name, value)) if name.eq_ignore_ascii_case(CONTENT_LENGTH) => length = number(value),
                _ => is_last |= line.trim_ascii().eq_ignore_ascii_case(b"connection: close"),
            }
        }
        let length = match length {
            Some(length) => length,
            None => find(rest, b"0\r\n\r\n")? + 5,
        };
        Some(Self { bytes: head_end + length, status: status(head), body: rest.get(..length)?, is_last })
    }
}

/// The number behind `HTTP/1.1 `; of what is no answer, 0.
fn status(head: &[u8]) -> u16 {
    let digits = head.get(9..12).unwrap_or_default();
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

fn number(value: &[u8]) -> Option<usize> {
    std::str::from_utf8(value).ok()?.trim().parse().ok()
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}

#[cfg(test)]
mod tests {
    use super::Response;

    #[test]
    fn answers_end_where_they_say() {
        let plain = b"HTTP/1.1 200 OK\r\nA: b\r\nCONTENT-length: 2\r\n\r\n{}HTTP";
        let expected = Response { bytes: plain.len() - 4, status: 200, body: b"{}", is_last: false };
        assert_eq!(Response::front_of(plain), Some(expected));
        for short in [0, 3, 20, plain.len() - 5] {
            assert_eq!(Response::front_of(&plain[..short]), None);
        }
        let chunked =
            b"HTTP/1.1 503 Unavailable\r\nconnection: Close\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        let expected = Response { bytes: chunked.len(), status: 503, body: b"2\r\n{}\r\n0\r\n\r\n", is_last: true };
        assert_eq!(Response::front_of(chunked), Some(expected));
        assert_eq!(Response::front_of(&chunked[..chunked.len() - 1]), None);
    }

    #[test]
    fn what_is_no_answer_has_no_status() {
        assert_eq!(Response::front_of(b"\r\n\r\n0\r\n\r\n").map(|response| response.status), Some(0));
    }
}
