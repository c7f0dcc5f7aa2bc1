//! A callback that a person pastes: the browser ran on another machine, could not reach the listener, and shows the
//! address that it was sent to. It is handed to the listener as a browser would, so the same checks judge it.

use std::io::{self, Read, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use zeroize::Zeroizing;

use super::CallbackListener;

/// The longest address: codes have about 100 characters.
const LONGEST: usize = 4096;
const LONGEST_ANSWER: u64 = 64 << 10;
const PATIENCE: Duration = Duration::from_secs(10);

/// What became of a pasted line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pasted {
    /// The listener took it; how the consent ends is told elsewhere.
    Taken,
    /// It is another address than the one the browser is sent to.
    OtherAddress,
    /// The listener does not wait for it: another consent's, used already, or cut short.
    NotWaitedFor,
    /// The listener cannot be reached.
    NoListener,
    /// There is nothing more to read.
    Ended,
}

/// Where a pasted callback belongs.
#[derive(Debug, Clone)]
pub struct Awaited {
    /// How its address begins.
    pub redirect_uri: String,
    /// Where the consent begins at the listener. Whoever pastes is whom this was told, so it stands for the browser.
    pub start: String,
    /// Where the listener is.
    pub listener: SocketAddr,
}

/// Reads one line of standard input and hands it to the listener. Blocks until there is a line. The code in it is wiped here
/// afterwards.
pub fn hand_over_pasted(awaited: &Awaited) -> io::Result<Pasted> {
    let line = read_line(&mut io::stdin().lock())?;
    Ok(line.map_or(Pasted::Ended, |line| hand_over(&line, awaited)))
}

/// Reads up to a line break; `None` at the end. What is too long is cut, and then is no address that is waited for.
fn read_line(reader: &mut impl Read) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut line = Zeroizing::new(Vec::with_capacity(LONGEST));
    let mut byte = Zeroizing::new([0]);
    loop {
        match reader.read(byte.as_mut_slice()) {
            Ok(0) if line.is_empty() => return Ok(None),
            Ok(0) => return Ok(Some(line)),
            Ok(_) if byte[0] == b'\n' => return Ok(Some(line)),
            Ok(_) if line.len() < LONGEST => line.push(byte[0]),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

fn hand_over(line: &[u8], awaited: &Awaited) -> Pasted {
    let Some(query) = query_of(line, &awaited.redirect_uri) else {
        return Pasted::OtherAddress;
    };
    match begin(awaited).and_then(|cookie| bring(query, &cookie, awaited.listener)) {
        Ok(200) => Pasted::Taken,
        // The page that the listener answers with is for browsers; the terminal is told by the consent itself.
        Ok(_) => Pasted::NotWaitedFor,
        Err(_) => Pasted::NoListener,
    }
}

/// Returns the query of an address that begins with the redirect URI. Browsers leave the scheme out when it is copied.
fn query_of<'a>(line: &'a [u8], redirect_uri: &str) -> Option<&'a str> {
    let line = std::str::from_utf8(line).ok()?.trim().trim_matches(['"', '\'', '<', '>']);
    if !line.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    let without_scheme = |text: &'a str| text.split_once("://").map_or(text, |(_, rest)| rest);
    let own = redirect_uri.split_once("://").map_or(redirect_uri, |(_, rest)| rest);
    let query = without_scheme(line).strip_prefix(own)?.strip_prefix('?')?;
    // A fragment never reaches a server.
    query.split('#').next()
}

/// Begins the consent as a browser does, and returns the cookie by which it is known again; empty where nothing is waited for
/// any more.
fn begin(awaited: &Awaited) -> io::Result<String> {
    let start = url::Url::parse(&awaited.start).map_err(io::Error::other)?;
    let answer = ask(&["GET ", start.path()], "", awaited.listener)?;
    let cookie = answer.lines().find_map(|line| line.strip_prefix("set-cookie: ")?.split(';').next());
    Ok(cookie.unwrap_or_default().to_owned())
}

/// Brings the listener a callback, and returns the status of its answer.
fn bring(query: &str, cookie: &str, listener: SocketAddr) -> io::Result<u16> {
    let answer = ask(&["GET ", CallbackListener::PATH, "?", query], cookie, listener)?;
    let status = answer.strip_prefix("HTTP/1.1 ").and_then(|rest| rest.get(..3)?.parse().ok());
    status.ok_or_else(|| io::Error::other("not HTTP"))
}

/// Asks the listener, and returns its answer.
fn ask(line: &[&str], cookie: &str, listener: SocketAddr) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&listener, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let host = listener.to_string();
    let rest = [" HTTP/1.1\r\nHost: ", &host, "\r\nCookie: ", cookie, "\r\nConnection: close\r\n\r\n"];
    let parts = || line.iter().chain(&rest);
    let mut request = Zeroizing::new(Vec::with_capacity(parts().map(|part| part.len()).sum()));
    parts().for_each(|part| request.extend_from_slice(part.as_bytes()));
    stream.write_all(&request)?;
    let mut answer = String::new();
    stream.take(LONGEST_ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "http://127.0.0.1:7421/callback";

    #[test]
    fn only_the_redirect_uri_is_taken_however_it_was_copied() {
        let query = |line: &str| query_of(line.as_bytes(), OWN).map(str::to_owned);
        let expect = Some("code=1000.a&state=b".to_owned());
        for line in [
            "http://127.0.0.1:7421/callback?code=1000.a&state=b",
            "  127.0.0.1:7421/callback?code=1000.a&state=b\r",
            "\"http://127.0.0.1:7421/callback?code=1000.a&state=b\"",
            "<http://127.0.0.1:7421/callback?code=1000.a&state=b#>",
        ] {
            assert_eq!(query(line), expect, "{line}");
        }
        for line in [
            "https://accounts.zoho.eu/oauth/v2/auth?code=1",
            "http://127.0.0.1:7421/callback",
            "http://127.0.0.1:7421/callback/?code=1",
            "http://127.0.0.1:7421/callback?code=1 HTTP/1.1",
            "http://127.0.0.1:7421/callback?code=1\u{1b}",
            "http://127.0.0.1:74210/callback?code=1",
            "",
        ] {
            assert_eq!(query(line), None, "{line}");
        }
    }

    #[test]
    fn a_line_is_read_to_its_end_and_not_beyond() {
        let mut input = b"one\ntwo".as_slice();
        assert_eq!(read_line(&mut input).expect("read").as_deref(), Some(&b"one".to_vec()));
        assert_eq!(read_line(&mut input).expect("read").as_deref(), Some(&b"two".to_vec()));
        assert_eq!(read_line(&mut input).expect("read"), None);
        let mut long = [b'a'; LONGEST * 2].as_slice();
        assert_eq!(read_line(&mut long).expect("read").map(|line| line.len()), Some(LONGEST));
    }
}
