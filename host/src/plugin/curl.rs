//! Reads a request off a line for curl, as somebody copies it from a terminal or a browser. Nothing is sent.

use super::shell::{self, ShellError};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// How a line is given.
pub const QUOTED: &str = "quote the whole line for your shell: `--curl 'curl -X PUT …'`";

/// What curl leaves as it is in `--data-urlencode`; a space becomes `+`.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// A header: lower-case name, value.
pub type Header = (String, String);

/// A request as curl would send it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CurlRequest {
    /// Method.
    pub method: String,
    /// Path and query, as they stand in the address.
    pub target: String,
    /// Headers: lower-case names, values.
    pub headers: Vec<Header>,
    /// Body.
    pub body: Option<String>,
}

/// Why a line is no request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CurlError {
    /// The line is no words, or other ones than a shell would make of it.
    #[error(transparent)]
    Words(#[from] ShellError),
    /// Not a line for curl.
    #[error("the line does not begin with `curl`")]
    NotCurl,
    /// An option that is not read here.
    #[error("`{option}` is not read here")]
    Option {
        /// The option.
        option: String,
    },
    /// An option without its value.
    #[error("`{option}` has no value")]
    NoValue {
        /// The option.
        option: String,
    },
    /// A header that is none.
    #[error("`{name}` is no header: a name, a colon and a value are wanted")]
    Header {
        /// What stands before the colon, or the beginning of it.
        name: String,
    },
    /// The body is to be read from a file.
    #[error("the body is to be read from a file")]
    BodyFile,
    /// No address, or several.
    #[error("the line names {count} addresses, and one is wanted")]
    Addresses {
        /// How many.
        count: usize,
    },
}

impl CurlError {
    /// Returns how to mend it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Words(error) => error.hint(),
            Self::NotCurl => QUOTED,
            Self::Option { .. } => {
                "read are -X, -H, -d, --data, --data-raw, --data-binary, --data-urlencode, --json, -G, -I and what only concerns the answer"
            }
            Self::NoValue { .. } | Self::Header { .. } => "write it as curl takes it: -H 'name: value'",
            Self::BodyFile => "write the body into the line itself",
            Self::Addresses { .. } => "write the address as `http://HOST/PATH`, one of it",
        }
    }
}

/// Options that only concern the answer or the connection.
const IGNORED: [&str; 13] = [
    "insecure",
    "silent",
    "show-error",
    "include",
    "verbose",
    "fail",
    "fail-with-body",
    "compressed",
    "no-buffer",
    "no-progress-meter",
    "globoff",
    "http1.1",
    "location",
];
/// The same as letters.
const IGNORED_LETTERS: &str = "sSivfNgLk";
/// Letters that take a value, and their long names.
const LETTERS: [(char, &str); 3] = [('X', "request"), ('H', "header"), ('d', "data")];

/// Long options that take a value.
const WITH_VALUE: [&str; 9] =
    ["request", "header", "data", "data-raw", "data-binary", "data-ascii", "data-urlencode", "json", "url"];
/// Options without a value that change the request, and their letters.
const SWITCHES: [(char, &str); 2] = [('I', "head"), ('G', "get")];

/// Returns whether a word is a line for curl, and not the name of something.
pub fn is_line(word: &str) -> bool {
    word.strip_prefix("curl").is_some_and(|rest| rest.starts_with(char::is_whitespace))
}

/// Reads a header off `name: value`.
pub fn header(text: &str) -> Result<Header, CurlError> {
    match text.split_once(':') {
        Some((name, value)) if !name.trim().is_empty() => {
            Ok((name.trim().to_lowercase(), value.trim().to_owned()))
        }
        // What stands there may be a secret: only its beginning is told.
        _ => Err(CurlError::Header { name: text.chars().take(12).collect::<String>().escape_debug().to_string() }),
    }
}

/// Reads a line.
pub fn parse(line: &str) -> Result<CurlRequest, CurlError> {
    let mut words = shell::words(line)?.into_iter();
    if words.next().as_deref() != Some("curl") {
        return Err(CurlError::NotCurl);
    }
    let mut reading = Reading::default();
    while let Some(word) = words.next() {
        if let Some(long) = word.strip_prefix("--") {
            let (name, given) = match long.split_once('=') {
                Some((name, value)) => (name, Some(value.to_owned())),
                None => (long, None),
            };
            reading.long(name, || given.or_else(|| words.next()))?;
        } else if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            reading.letters(letters, &mut words)?;
        } else {
            reading.addresses.push(word);
        }
    }
    reading.finish()
}

/// A line half read.
#[derive(Default)]
struct Reading {
    method: Option<String>,
    headers: Vec<Header>,
    body: Option<String>,
    addresses: Vec<String>,
    json: bool,
    head: bool,
    /// Whether the data go into the query.
    get: bool,
}

impl Reading {
    fn long(&mut self, name: &str, value: impl FnOnce() -> Option<String>) -> Result<(), CurlError> {
        if IGNORED.contains(&name) {
            return Ok(());
        }
        let option = || format!("--{name}");
        if SWITCHES.iter().any(|(_, known)| *known == name) {
            self.switch(name);
            return Ok(());
        }
        if !WITH_VALUE.contains(&name) {
            return Err(CurlError::Option { option: option() });
        }
        let value = value().ok_or_else(|| CurlError::NoValue { option: option() })?;
        match name {
            "request" => self.method = Some(value),
            "header" => self.headers.push(header(&value)?),
            "url" => self.addresses.push(value),
            _ => {
                self.json |= name == "json";
                self.data(name, &value)?;
            }
        }
        Ok(())
    }

    /// Letters may stand together: `-sSX PUT`, `-XPUT`.
    fn letters(&mut self, letters: &str, words: &mut impl Iterator<Item = String>) -> Result<(), CurlError> {
        for (at, letter) in letters.char_indices() {
            if IGNORED_LETTERS.contains(letter) {
                continue;
            }
            if let Some((_, name)) = SWITCHES.iter().find(|(known, _)| *known == letter) {
                self.switch(name);
                continue;
            }
            let Some((_, name)) = LETTERS.iter().find(|(known, _)| *known == letter) else {
                return Err(CurlError::Option { option: format!("-{letter}") });
            };
            let rest = &letters[at + letter.len_utf8()..];
            let value = || if rest.is_empty() { words.next() } else { Some(rest.to_owned()) };
            return self.long(name, value);
        }
        Ok(())
    }

    fn switch(&mut self, name: &str) {
        if name == "head" {
            self.head = true;
        } else {
            self.get = true;
        }
    }

    fn data(&mut self, name: &str, value: &str) -> Result<(), CurlError> {
        let encoded;
        let value = match name {
            "data-raw" => value,
            "data-urlencode" => {
                encoded = url_encoded(value)?;
                encoded.as_str()
            }
            _ if value.starts_with('@') => return Err(CurlError::BodyFile),
            _ => value,
        };
        let joined = match self.body.take() {
            Some(before) if name == "json" => before + value,
            Some(before) => format!("{before}&{value}"),
            None => value.to_owned(),
        };
        self.body = Some(joined);
        Ok(())
    }

    fn finish(mut self) -> Result<CurlRequest, CurlError> {
        let [address] = self.addresses.as_slice() else {
            return Err(CurlError::Addresses { count: self.addresses.len() });
        };
        let mut target = target(address);
        if let Some(data) = self.body.take_if(|_| self.get) {
            let has_query = target.contains('?');
            target = format!("{target}{}{data}", if has_query { '&' } else { '?' });
        }
        let names = |headers: &[Header], name: &str| headers.iter().any(|(known, _)| known == name);
        if self.json && !names(&self.headers, "accept") {
            self.headers.push(("accept".to_owned(), "application/json".to_owned()));
        }
        if self.body.is_some() && !names(&self.headers, "content-type") {
            let kind = if self.json { "application/json" } else { "application/x-www-form-urlencoded" };
            self.headers.push(("content-type".to_owned(), kind.to_owned()));
        }
        let usual = match (&self.body, self.head) {
            (_, true) => "HEAD",
            (Some(_), false) => "POST",
            (None, false) => "GET",
        };
        let method = self.method.unwrap_or_else(|| usual.to_owned());
        Ok(CurlRequest { method, target, headers: self.headers, body: self.body })
    }
}

/// Encodes a datum as `--data-urlencode` does: `value`, `=value` or `name=value`, of which the name stays as it is.
fn url_encoded(datum: &str) -> Result<String, CurlError> {
    let encoded = |value: &str| utf8_percent_encode(value, PLAIN).to_string().replace("%20", "+");
    match datum.find(['=', '@']) {
        Some(at) if datum[at..].starts_with('@') => Err(CurlError::BodyFile),
        Some(0) => Ok(encoded(&datum[1..])),
        Some(at) => Ok(format!("{}={}", &datum[..at], encoded(&datum[at + 1..]))),
        None => Ok(encoded(datum)),
    }
}

/// Takes path and query off an address.
fn target(address: &str) -> String {
    let whole = address.split('#').next().unwrap_or(address);
    let rest = whole.split_once("://").map_or(whole, |(_, rest)| rest);
    match rest.find(['/', '?']) {
        Some(at) if rest[at..].starts_with('?') => format!("/{}", &rest[at..]),
        Some(at) => rest[at..].to_owned(),
        None => "/".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(line: &str, method: &str, target: &str, headers: &[(&str, &str)], body: Option<&str>) {
        let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let expected = CurlRequest {
            method: method.to_owned(),
            target: target.to_owned(),
            headers,
            body: body.map(str::to_owned),
        };
        assert_eq!(parse(line), Ok(expected), "{line}");
    }

    #[test]
    fn request_is_read_as_curl_would_send_it() {
        check("curl http://h:7420/a/b?c=%20d#e", "GET", "/a/b?c=%20d", &[], None);
        check("curl -sSXPUT 'https://h' -H 'X-A:  b '", "PUT", "/", &[("x-a", "b")], None);
        check("curl -I \\\n  h?x", "HEAD", "/?x", &[], None);
        let form = [("content-type", "application/x-www-form-urlencoded")];
        check("curl -d a=1 -d b=2 h/p", "POST", "/p", &form, Some("a=1&b=2"));
        let json = [("accept", "application/json"), ("content-type", "application/json")];
        check(r#"curl --json '{"a":1}' --request=PATCH h/p"#, "PATCH", "/p", &json, Some(r#"{"a":1}"#));
        // As a browser copies it.
        let form = [("content-type", "text/plain")];
        let line = "curl 'https://h/p' \\\n  -H 'content-type: text/plain' \\\n  --data-raw $'it\\'s\\n\\u0021 $5' --insecure";
        check(line, "POST", "/p", &form, Some("it's\n! $5"));
        check("curl -sk h/p", "GET", "/p", &[], None);
        // As the documents of providers write reads and forms.
        check("curl -G -d 'fields=id,name' -d limit=2 'h/p#x'", "GET", "/p?fields=id,name&limit=2", &[], None);
        check("curl --get --data-urlencode 'q=[\"a b\"]' h/p?z=1", "GET", "/p?z=1&q=%5B%22a+b%22%5D", &[], None);
        check("curl -sGI -d a=1 h", "HEAD", "/?a=1", &[], None);
        check("curl -GX POST -d a=1 h/p", "POST", "/p?a=1", &[], None);
        let body = Some("a b=c+d%26~%C3%A9&x+y&plain=&e=f");
        let line = "curl --data-urlencode 'a b=c d&~é' --data-urlencode '=x y' --data-urlencode plain= -d e=f h/p";
        check(line, "POST", "/p", &[("content-type", "application/x-www-form-urlencoded")], body);
        check(
            "curl --data-raw @x -H content-type:text/plain h",
            "POST",
            "/",
            &[("content-type", "text/plain")],
            Some("@x"),
        );
    }

    #[test]
    fn what_is_not_read_is_told() {
        let option = |option: &str| CurlError::Option { option: option.to_owned() };
        for (line, error) in [
            ("curl 'http://h", CurlError::Words(ShellError::Quote)),
            ("curl http://h/$ID", CurlError::Words(ShellError::Replaced { what: "$ID".to_owned() })),
            ("wget http://h", CurlError::NotCurl),
            ("curl -u a:b h", option("-u")),
            ("curl -F a=b h", option("-F")),
            ("curl --proxy p h", option("--proxy")),
            ("curl h -X", CurlError::NoValue { option: "--request".to_owned() }),
            ("curl h -H 'a-secret-thing-without-colon'", CurlError::Header { name: "a-secret-thi".to_owned() }),
            ("curl -d @body.json h", CurlError::BodyFile),
            ("curl --data-urlencode @body h", CurlError::BodyFile),
            ("curl --data-urlencode a@body h", CurlError::BodyFile),
            ("curl -s", CurlError::Addresses { count: 0 }),
            ("curl a b", CurlError::Addresses { count: 2 }),
        ] {
            assert_eq!(parse(line), Err(error), "{line}");
        }
    }
}
