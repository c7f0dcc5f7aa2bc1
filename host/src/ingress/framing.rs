//! HTTP/1.1 framing with one reading (RFC 9112), as a pure state machine over bytes.
//!
//! hyper drops `Content-Length` beside `Transfer-Encoding`, accepts bare line feeds, chunk extensions and trailers,
//! and cuts fragments off targets before a handler sees any of it. So the bytes pass through here first.

/// Largest head: request line and header fields.
const MAX_HEAD: usize = 64 << 10;
/// Largest chunk-size line: eight digits are 4 GiB, far over any body limit.
const MAX_CHUNK_DIGITS: usize = 8;

/// Most header fields.
pub const MAX_FIELDS: usize = 64;

const HEAD_TOO_LARGE: Misframed = Misframed::Size("the request line and the headers are larger than 64 KiB");
/// What is said where there are more.
pub const TOO_MANY_FIELDS: Misframed = Misframed::Size("the request has more than 64 header fields");

/// Why bytes are not passed on. Always the sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misframed {
    /// They have no reading, or more than one.
    Form(&'static str),
    /// They are more than a head may be.
    Size(&'static str),
    /// They are a part of a head, and the rest did not come in time.
    Late,
}

/// Where in a message the stream is.
#[derive(Debug)]
enum State {
    Head(Vec<u8>),
    Length(u64),
    ChunkSize(Vec<u8>),
    ChunkData(u64),
    /// The line end after a chunk's data; the count of its bytes seen.
    ChunkEnd(usize),
    /// The empty line after the last chunk; trailers are refused.
    LastEnd(usize),
}

/// Checks framing and passes bytes on unchanged, a head only when it is whole.
#[derive(Debug)]
pub struct Framing {
    state: State,
}

impl Default for Framing {
    fn default() -> Self {
        Self { state: State::Head(Vec::new()) }
    }
}

impl Framing {
    /// Returns whether the next byte belongs to a head: nothing of that request was passed on yet.
    pub fn at_head(&self) -> bool {
        matches!(self.state, State::Head(_))
    }

    /// Returns whether a head has begun, and has not ended.
    pub fn in_head(&self) -> bool {
        matches!(&self.state, State::Head(head) if !head.is_empty())
    }

    /// Takes the next bytes and appends to `out` what may be passed on.
    pub fn feed(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), Misframed> {
        while !input.is_empty() {
            let taken = self.step(input, out)?;
            input = &input[taken..];
        }
        Ok(())
    }

    /// Takes at least one byte of a non-empty input.
    fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, Misframed> {
        match &mut self.state {
            State::Head(head) => {
                let before = head.len();
                head.extend_from_slice(input);
                let search_from = before.saturating_sub(3);
                let Some(end) = find(&head[search_from..], b"\r\n\r\n") else {
                    return refuse_early_head(head, before).map(|()| input.len());
                };
                let end = search_from + end + 4;
                head.truncate(end);
                let body = check_head(head)?;
                out.extend_from_slice(head);
                self.state = body;
                Ok(end - before)
            }
            State::Length(left) => {
                let taken = take(left, input, out);
                if *left == 0 {
                    self.state = State::Head(Vec::new());
                }
                Ok(taken)
            }
            State::ChunkSize(line) => {
                line.push(input[0]);
                if let Some(digits) = line.strip_suffix(b"\r\n") {
                    let size = chunk_size(digits)?;
                    out.extend_from_slice(line);
                    self.state = if size == 0 { State::LastEnd(0) } else { State::ChunkData(size) };
                    return Ok(1);
                }
                let digits = line.strip_suffix(b"\r").unwrap_or(line);
                if digits.len() > MAX_CHUNK_DIGITS || !digits.iter().all(u8::is_ascii_hexdigit) {
                    return Err(Misframed::Form(
                        "a chunk's size line is not up to eight hexadecimal digits and a line end",
                    ));
                }
                Ok(1)
            }
            State::ChunkData(left) => {
                let taken = take(left, input, out);
                if *left == 0 {
                    self.state = State::ChunkEnd(0);
                }
                Ok(taken)
            }
            State::ChunkEnd(seen) => {
                let done = line_end(seen, input[0], "a chunk is longer than its size")?;
                out.push(input[0]);
                if done {
                    self.state = State::ChunkSize(Vec::new());
                }
                Ok(1)
            }
            State::LastEnd(seen) => {
                let done = line_end(seen, input[0], "trailers are refused")?;
                out.push(input[0]);
                if done {
                    self.state = State::Head(Vec::new());
                }
                Ok(1)
            }
        }
    }
}

fn take(left: &mut u64, input: &[u8], out: &mut Vec<u8>) -> usize {
    let taken = usize::try_from(*left).unwrap_or(usize::MAX).min(input.len());
    out.extend_from_slice(&input[..taken]);
    *left -= taken as u64;
    taken
}

fn line_end(seen: &mut usize, byte: u8, otherwise: &'static str) -> Result<bool, Misframed> {
    let expected = b"\r\n"[*seen];
    if byte != expected {
        return Err(Misframed::Form(otherwise));
    }
    *seen += 1;
    Ok(*seen == 2)
}

/// Refuses what can no longer become a good head, so that a bad client is not waited for.
/// The first `seen` bytes were looked at already: a head that comes byte by byte costs no more than one that comes whole.
fn refuse_early_head(head: &[u8], seen: usize) -> Result<(), Misframed> {
    if head.len() > MAX_HEAD {
        return Err(HEAD_TOO_LARGE);
    }
    if matches!(head.first(), Some(b'\r' | b'\n')) {
        return Err(Misframed::Form("an empty line stands before the request line"));
    }
    let bare = |at: usize| head[at] == b'\n' && (at == 0 || head[at - 1] != b'\r');
    if (seen..head.len()).any(bare) {
        return Err(Misframed::Form("a line ends with a bare line feed"));
    }
    Ok(())
}

/// Checks a whole head, and tells how its body is framed.
fn check_head(head: &[u8]) -> Result<State, Misframed> {
    refuse_early_head(head, 0)?;
    let text = &head[..head.len() - 4];
    let mut lines = split_lines(text);
    check_request_line(lines.next().unwrap_or_default())?;
    let (mut length, mut chunked) = (None, false);
    for (before, line) in lines.enumerate() {
        if before == MAX_FIELDS {
            return Err(TOO_MANY_FIELDS);
        }
        let (name, value) = check_field(line)?;
        if name.eq_ignore_ascii_case(b"content-length") {
            let digits = !value.is_empty() && value.len() <= 18 && value.iter().all(u8::is_ascii_digit);
            if !digits || length.is_some() {
                return Err(Misframed::Form("`Content-Length` is not one number, once"));
            }
            length = std::str::from_utf8(value).ok().and_then(|digits| digits.parse::<u64>().ok());
        } else if name.eq_ignore_ascii_case(b"transfer-encoding") {
            if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                return Err(Misframed::Form("`Transfer-Encoding` is not `chunked`, once"));
            }
            chunked = true;
        }
    }
    match (length, chunked) {
        (Some(_), true) => Err(Misframed::Form("`Content-Length` beside `Transfer-Encoding`")),
        (None, true) => Ok(State::ChunkSize(Vec::new())),
        (None | Some(0), false) => Ok(State::Head(Vec::new())),
        (Some(length), false) => Ok(State::Length(length)),
    }
}

fn check_request_line(line: &[u8]) -> Result<(), Misframed> {
    let parts: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
    let [method, target, version] = parts[..] else {
        return Err(Misframed::Form("the request line is not method, target and version with one space between"));
    };
    if method.is_empty() || !method.iter().all(u8::is_ascii_uppercase) {
        return Err(Misframed::Form("the method is not upper-case letters"));
    }
    if version != b"HTTP/1.1" {
        return Err(Misframed::Form("only HTTP/1.1 is spoken here"));
    }
    if target.first() != Some(&b'/') {
        return Err(Misframed::Form("the request target is not a path"));
    }
    // hyper refuses these four too, in path or query, but without a word.
    if !target.iter().all(|byte| (0x21..0x7f).contains(byte) && !b"#<>\"`".contains(byte)) {
        return Err(Misframed::Form("the request target holds a fragment or a byte that must be percent-encoded"));
    }
    Ok(())
}

/// Checks a header's line, and returns its name and value.
pub fn check_field(line: &[u8]) -> Result<(&[u8], &[u8]), Misframed> {
    let Some(colon) = line.iter().position(|&byte| byte == b':') else {
        return Err(Misframed::Form("a header line has no colon"));
    };
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_token = !name.is_empty()
        && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte));
    if !is_token {
        return Err(Misframed::Form("a header name holds white space or another character that it must not"));
    }
    // Tab and everything visible; a bare CR, NUL or other control character never.
    if !value.iter().all(|&byte| byte == b'\t' || (byte >= 0x20 && byte != 0x7f)) {
        return Err(Misframed::Form("a header value holds a control character"));
    }
    Ok((name, value.trim_ascii()))
}

fn chunk_size(digits: &[u8]) -> Result<u64, Misframed> {
    let bad = Misframed::Form("a chunk's size is not a hexadecimal number");
    let plain = !digits.is_empty() && digits.len() <= MAX_CHUNK_DIGITS && digits.iter().all(u8::is_ascii_hexdigit);
    if !plain {
        return Err(bad);
    }
    std::str::from_utf8(digits).ok().and_then(|digits| u64::from_str_radix(digits, 16).ok()).ok_or(bad)
}

fn split_lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let text = rest?;
        match find(text, b"\r\n") {
            Some(at) => {
                rest = Some(&text[at + 2..]);
                Some(&text[..at])
            }
            None => rest.take(),
        }
    })
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds whole and byte by byte; both must say the same.
    #[track_caller]
    fn check(input: &[u8], passes: bool) {
        let mut whole = Vec::new();
        let at_once = Framing::default().feed(input, &mut whole);
        let (mut framing, mut dripped) = (Framing::default(), Vec::new());
        let drip = input.iter().try_for_each(|byte| framing.feed(&[*byte], &mut dripped));
        assert_eq!(at_once.is_ok(), drip.is_ok(), "{}", String::from_utf8_lossy(input));
        assert_eq!(at_once.is_ok(), passes, "{at_once:?} for {}", String::from_utf8_lossy(input));
        if passes {
            assert_eq!((whole.as_slice(), dripped.as_slice()), (input, input));
        }
    }

    #[test]
    fn plain_requests_pass_unchanged() {
        check(b"GET /a?b=c HTTP/1.1\r\nHost: x\r\n\r\n", true);
        check(
            b"POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabcGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
            true,
        );
        check(
            b"POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\nGET / HTTP/1.1\r\n\r\n",
            true,
        );
    }

    #[test]
    fn a7_what_hyper_would_let_through_is_refused() {
        let with = |field: &str| format!("POST /a HTTP/1.1\r\nHost: x\r\n{field}\r\n\r\n").into_bytes();
        for field in [
            "Content-Length: 3\r\nTransfer-Encoding: chunked",
            "Content-Length: 3\r\nContent-Length: 3",
            "Content-Length: +3",
            "Content-Length: 3, 3",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
            "Transfer-Encoding: gzip, chunked",
            "Transfer-Encoding : chunked",
            "X: a\r\n folded",
            "X: a\rb",
            "X: a\0b",
            "no colon",
        ] {
            check(&with(field), false);
        }
        for input in [
            b"GET /a HTTP/1.1\nHost: x\n\n".as_slice(),
            b"\r\nGET /a HTTP/1.1\r\n\r\n",
            b"GET  /a HTTP/1.1\r\n\r\n",
            b"GET http://evil/x HTTP/1.1\r\n\r\n",
            b"GET evil HTTP/1.1\r\n\r\n",
            b"OPTIONS * HTTP/1.1\r\n\r\n",
            b"delete /a HTTP/1.1\r\n\r\n",
            b"GET /a#b HTTP/1.1\r\n\r\n",
            b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n",
            b"GET /a HTTP/1.0\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\n",
        ] {
            check(input, false);
        }
    }

    #[test]
    fn a7_chunks_with_a_second_reading_are_refused() {
        let with =
            |body: &str| format!("POST /a HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n{body}").into_bytes();
        for body in [
            "3;a=b\r\nabc\r\n0\r\n\r\n",
            "3\nabc\n0\n\n",
            "10000000000000003\r\n",
            "3\r\nabcd\r\n",
            "0\r\nX: y\r\n\r\n",
            "0x3\r\nabc\r\n",
        ] {
            check(&with(body), false);
        }
    }
}
