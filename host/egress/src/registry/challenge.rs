//! Reads `WWW-Authenticate` (RFC 9110 section 11.6.1): what a registry wants to know of who calls.

/// The longest header that is read, in bytes.
const LONGEST: usize = 4096;

/// A way to say who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Challenge {
    /// User and password (RFC 7617).
    Basic,
    /// A token, which an authorization service gives out.
    Bearer {
        /// Where it is asked for.
        realm: String,
        /// For whom.
        service: Option<String>,
    },
}

/// Reads the challenges of one header in order. Schemes that are not spoken here are left out, and so is all that
/// follows something that cannot be read.
pub(super) fn read(header: &str) -> Vec<Challenge> {
    if header.len() > LONGEST {
        return Vec::new();
    }
    let mut rest = Text(header);
    let mut found: Vec<Raw> = Vec::new();
    loop {
        rest.skip(" \t,");
        let Some(word) = rest.token() else { break };
        rest.skip(" \t");
        if !rest.take('=') {
            found.push(Raw { scheme: word.to_ascii_lowercase(), parameters: Vec::new() });
            continue;
        }
        rest.skip(" \t");
        let (Some(value), Some(raw)) = (rest.value(), found.last_mut()) else { break };
        raw.parameters.push((word.to_ascii_lowercase(), value));
    }
    found.into_iter().filter_map(Raw::known).collect()
}

/// A challenge of any scheme.
struct Raw {
    scheme: String,
    parameters: Vec<(String, String)>,
}

impl Raw {
    fn known(mut self) -> Option<Challenge> {
        let mut take = |name: &str| {
            let at = self.parameters.iter().position(|(known, _)| known == name)?;
            Some(self.parameters.swap_remove(at).1)
        };
        match self.scheme.as_str() {
            "basic" => Some(Challenge::Basic),
            "bearer" => Some(Challenge::Bearer { realm: take("realm")?, service: take("service") }),
            _ => None,
        }
    }
}

/// What is left to read.
struct Text<'a>(&'a str);

impl<'a> Text<'a> {
    fn skip(&mut self, characters: &str) {
        self.0 = self.0.trim_start_matches(|character| characters.contains(character));
    }

    fn take(&mut self, character: char) -> bool {
        let rest = self.0.strip_prefix(character);
        self.0 = rest.unwrap_or(self.0);
        rest.is_some()
    }

    /// A token (RFC 9110 section 5.6.2).
    fn token(&mut self) -> Option<&'a str> {
        let of_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let end = self.0.bytes().position(|byte| !of_token(byte)).unwrap_or(self.0.len());
        let (token, rest) = self.0.split_at(end);
        self.0 = rest;
        (!token.is_empty()).then_some(token)
    }

    /// A token, or a quoted string without its quotes and escapes (RFC 9110 section 5.6.4).
    fn value(&mut self) -> Option<String> {
        if !self.take('"') {
            return self.token().map(str::to_owned);
        }
        let mut value = String::new();
        let mut characters = self.0.char_indices();
        while let Some((at, character)) = characters.next() {
            match character {
                '"' => {
                    self.0 = &self.0[at + 1..];
                    return Some(value);
                }
                '\\' => value.push(characters.next()?.1),
                other => value.push(other),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(realm: &str, service: Option<&str>) -> Challenge {
        Challenge::Bearer { realm: realm.to_owned(), service: service.map(str::to_owned) }
    }

    #[track_caller]
    fn check(header: &str, expect: &[Challenge]) {
        assert_eq!(read(header), expect, "{header}");
    }

    #[test]
    fn the_usual_challenges_are_read() {
        check(
            r#"Bearer realm="https://auth.example/token",service="registry.example",scope="repository:a/b:pull,push""#,
            &[bearer("https://auth.example/token", Some("registry.example"))],
        );
        check(r#"Basic realm="Registry Realm""#, &[Challenge::Basic]);
        check(r#"bearer Realm = "https://a/" , error=invalid_token"#, &[bearer("https://a/", None)]);
        check(r#"Bearer realm="a\"b\\c""#, &[bearer(r#"a"b\c"#, None)]);
    }

    #[test]
    fn several_challenges_in_one_header_keep_their_parameters_apart() {
        check(
            r#"Digest realm="x", nonce="a,b", Basic realm="y", charset="UTF-8", Bearer realm="https://z/""#,
            &[Challenge::Basic, bearer("https://z/", None)],
        );
    }

    #[test]
    fn what_cannot_be_read_gives_nothing_away() {
        check("", &[]);
        check("Bearer", &[]);
        check(r#"Bearer service="x""#, &[]);
        check(r#"Bearer realm="never ends"#, &[]);
        check(r#"realm="https://a/""#, &[]);
        check(r#"Bearer realm="\"#, &[]);
        check("Negotiate abc==", &[]);
        check(&format!(r#"Bearer realm="{}""#, "a".repeat(LONGEST)), &[]);
    }
}
