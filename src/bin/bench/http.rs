//! Answers of HTTP/1.1, told apart on a connection that stays open.

/// The answer at the front of what came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Response<'a> {
    /// How many bytes it has, head and body.
    pub bytes: usize,
    /// Such as 200.
    pub status: u16,
    /// As sent: with the marks of chunks, where it came in chunks.
    pub body: &'a [u8],
}

impl<'a> Response<'a> {
    /// `None`: not all of it is there.
    pub fn front_of(bytes: &'a [u8]) -> Option<Self> {
        let head_end = find(bytes, b"\r\n\r\n")? + 4;
        let (head, rest) = bytes.split_at(head_end);
        let length = match content_length(head) {
            Some(length) => length,
            None => find(rest, b"0\r\n\r\n")? + 5,
        };
        Some(Self { bytes: head_end + length, status: status(head), body: rest.get(..length)? })
    }
}

/// The number behind `HTTP/1.1 `; of what is no answer, 0.
fn status(head: &[u8]) -> u16 {
    let digits = head.get(9..12).unwrap_or_default();
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

fn content_length(head: &[u8]) -> Option<usize> {
    const NAME: &[u8] = b"content-length:";
    let lines = head.split(|byte| *byte == b'\n');
    let value =
        lines.filter_map(|line| line.split_at_checked(NAME.len())).find(|(name, _)| name.eq_ignore_ascii_case(NAME));
    std::str::from_utf8(value?.1).ok()?.trim().parse().ok()
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
        let expected = Response { bytes: plain.len() - 4, status: 200, body: b"{}" };
        assert_eq!(Response::front_of(plain), Some(expected));
        for short in [0, 3, 20, plain.len() - 5] {
            assert_eq!(Response::front_of(&plain[..short]), None);
        }
        let chunked = b"HTTP/1.1 503 Unavailable\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n";
        let expected = Response { bytes: chunked.len(), status: 503, body: b"2\r\n{}\r\n0\r\n\r\n" };
        assert_eq!(Response::front_of(chunked), Some(expected));
        assert_eq!(Response::front_of(&chunked[..chunked.len() - 1]), None);
    }

    #[test]
    fn what_is_no_answer_has_no_status() {
        assert_eq!(Response::front_of(b"\r\n\r\n0\r\n\r\n").map(|response| response.status), Some(0));
    }
}
