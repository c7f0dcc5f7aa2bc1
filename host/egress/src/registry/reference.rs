//! A reference: `HOST/REPOSITORY:TAG`, `HOST/REPOSITORY@sha256:DIGEST` or both. The host is always written out.

use std::fmt;
use std::net::IpAddr;

use reqwest::Url;
use wardlock_core::id::Digest;

/// The longest repository with its host (OCI distribution specification 1.1, "Pulling manifests").
const LONGEST: usize = 255;
/// The longest tag (the same section).
const LONGEST_TAG: usize = 128;

/// Why a text is no reference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReferenceError {
    /// It begins as a URL does.
    #[error("a reference has no scheme")]
    Scheme,
    /// It names no registry, or no repository there.
    #[error("the reference does not begin with the host of a registry")]
    NoHost,
    /// The host is none.
    #[error("the reference begins with something that is no host and port")]
    BadHost,
    /// The repository is none.
    #[error(
        "the repository is not made of lower-case letters and digits, with single `.`, `_`, `-` and `/` between them"
    )]
    BadRepository,
    /// The tag is none.
    #[error("the tag is not made of 1 to 128 letters, digits, `_`, `.` and `-`, or begins with `.` or `-`")]
    BadTag,
    /// The digest is none, or of another kind.
    #[error("the digest is not `sha256:` and 64 lower-case hexadecimal digits")]
    BadDigest,
    /// There is neither a tag nor a digest.
    #[error("the reference has neither a tag nor a digest")]
    NoTag,
}

impl ReferenceError {
    /// Returns what to do.
    pub fn hint(self) -> &'static str {
        "write it as HOST/REPOSITORY:TAG, HOST/REPOSITORY@sha256:DIGEST or both, such as registry.example/team/field-mask:1.0"
    }
}

/// A place in a registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reference {
    base: Url,
    repository: String,
    tag: Option<String>,
    digest: Option<Digest>,
}

impl Reference {
    /// Parses a reference as a person writes it.
    pub fn parse(text: &str) -> Result<Self, ReferenceError> {
        if text.contains("://") {
            return Err(ReferenceError::Scheme);
        }
        let (host, rest) = text.split_once('/').ok_or(ReferenceError::NoHost)?;
        // As elsewhere, the first part is a host if it cannot be a repository's, or is this machine.
        if !(host.contains(['.', ':']) || host.eq_ignore_ascii_case("localhost")) {
            return Err(ReferenceError::NoHost);
        }
        let base = base(host)?;
        let (rest, digest) = match rest.split_once('@') {
            Some((rest, digest)) => (rest, Some(parse_digest(digest).ok_or(ReferenceError::BadDigest)?)),
            None => (rest, None),
        };
        let (repository, tag) = match rest.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (rest, None),
        };
        if host.len() + 1 + repository.len() > LONGEST || !repository.split('/').all(is_component) {
            return Err(ReferenceError::BadRepository);
        }
        match tag {
            Some(tag) if !is_tag(tag) => return Err(ReferenceError::BadTag),
            None if digest.is_none() => return Err(ReferenceError::NoTag),
            _ => {}
        }
        Ok(Self { base, repository: repository.to_owned(), tag: tag.map(str::to_owned), digest })
    }

    /// Returns the last part of the repository's name: what to call a file of it.
    pub fn short_name(&self) -> &str {
        self.repository.rsplit('/').next().unwrap_or_default()
    }

    /// Returns the digest that the manifest must have, where the reference says one.
    pub fn digest(&self) -> Option<Digest> {
        self.digest
    }

    /// Returns the same place by the digest of what stands there now.
    #[must_use]
    pub fn pinned(&self, digest: Digest) -> Self {
        Self { tag: None, digest: Some(digest), ..self.clone() }
    }

    /// Returns the repository's name within its registry.
    pub(super) fn repository(&self) -> &str {
        &self.repository
    }

    /// Returns the registry's root. Plain HTTP only where that is this machine itself.
    pub(super) fn base(&self) -> &Url {
        &self.base
    }

    /// Returns what the manifest is asked for by: its digest, else the tag.
    pub(super) fn by(&self) -> String {
        match (self.digest, &self.tag) {
            (Some(digest), _) => format!("sha256:{digest}"),
            (None, tag) => tag.clone().unwrap_or_default(),
        }
    }

    /// Returns what the manifest is put under: the tag, else its digest.
    pub(super) fn under(&self) -> String {
        self.tag.clone().unwrap_or_else(|| self.by())
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", authority(&self.base), self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = self.digest {
            write!(f, "@sha256:{digest}")?;
        }
        Ok(())
    }
}

/// Returns host and port of a URL, for messages: its path and query may hold what others must not see.
pub(super) fn authority(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

/// Returns whether a URL's host is this machine itself, by name or address.
pub(super) fn is_loopback(url: &Url) -> bool {
    match address(url) {
        Some(address) => address.is_loopback(),
        None => url.host_str() == Some("localhost"),
    }
}

/// Returns the address that a URL's host is written as.
pub(super) fn address(url: &Url) -> Option<IpAddr> {
    url.host_str()?.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

/// Parses `sha256:` and 64 lower-case digits (OCI image specification 1.1, "Digests").
pub(super) fn parse_digest(text: &str) -> Option<Digest> {
    let hex = text.strip_prefix("sha256:")?;
    let lower = hex.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    if lower { Digest::parse(hex).ok() } else { None }
}

fn base(host: &str) -> Result<Url, ReferenceError> {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    if !host.bytes().all(plain) {
        return Err(ReferenceError::BadHost);
    }
    let secure = Url::parse(&format!("https://{host}/")).map_err(|_| ReferenceError::BadHost)?;
    if !is_loopback(&secure) {
        return Ok(secure);
    }
    // Parsed once more, because each scheme has its own usual port.
    Url::parse(&format!("http://{host}/")).map_err(|_| ReferenceError::BadHost)
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*` (OCI distribution specification 1.1, "Pulling manifests").
fn is_component(component: &str) -> bool {
    let letter = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let ends = |byte: Option<u8>| byte.is_some_and(letter);
    let between =
        |separator: &str| matches!(separator, "" | "." | "_" | "__") || separator.bytes().all(|byte| byte == b'-');
    ends(component.bytes().next())
        && ends(component.bytes().last())
        && component.split(|character: char| u8::try_from(character).is_ok_and(letter)).all(between)
}

/// `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}` (the same section).
fn is_tag(tag: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    tag.len() <= LONGEST_TAG
        && tag.bytes().next().is_some_and(word)
        && tag.bytes().all(|byte| word(byte) || byte == b'.' || byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEX: &str = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

    #[track_caller]
    fn check(text: &str, expect: Result<(&str, &str, &str), ReferenceError>) {
        let found = Reference::parse(text);
        let by = found.as_ref().map(Reference::by).unwrap_or_default();
        let shown = match &found {
            Ok(found) => Ok((found.base.as_str(), found.repository(), by.as_str())),
            Err(error) => Err(*error),
        };
        assert_eq!(shown, expect, "{text}");
    }

    #[test]
    fn references_are_read_as_other_tools_read_them() {
        let pinned = format!("sha256:{HEX}");
        check("registry.example/team/field-mask:1.0", Ok(("https://registry.example/", "team/field-mask", "1.0")));
        check("Registry.Example:8443/a__b/c--d:_x", Ok(("https://registry.example:8443/", "a__b/c--d", "_x")));
        check(&format!("registry.example/a@{pinned}"), Ok(("https://registry.example/", "a", &pinned)));
        check(&format!("registry.example/a:1@{pinned}"), Ok(("https://registry.example/", "a", &pinned)));
    }

    #[test]
    fn only_this_machine_is_spoken_to_without_tls() {
        for host in ["127.0.0.1:5000", "localhost:5000", "[::1]:5000", "127.9.9.9"] {
            let found = Reference::parse(&format!("{host}/a:1")).expect("a reference");
            assert_eq!(found.base().scheme(), "http", "{host}");
        }
        for host in
            ["10.0.0.1:5000", "localhost.example", "127.0.0.1.example:80", "registry.example:80", "[::2]:80"]
        {
            let found = Reference::parse(&format!("{host}/a:1")).expect("a reference");
            assert_eq!(found.base().scheme(), "https", "{host}");
        }
    }

    #[test]
    fn what_is_no_reference_is_told_why() {
        use ReferenceError as E;
        check("https://registry.example/a:1", Err(E::Scheme));
        check("field-mask:1.0", Err(E::NoHost));
        check("team/field-mask:1.0", Err(E::NoHost));
        check("user@registry.example/a:1", Err(E::BadHost));
        check("registry.example:99999/a:1", Err(E::BadHost));
        check("registry.example/a", Err(E::NoTag));
        for repository in ["", "A", "a//b", "a/", "-a", "a-", "a..b", "a___b", "a/../b", "a%2fb", "a b", "\u{e9}"]
        {
            check(&format!("registry.example/{repository}:1"), Err(E::BadRepository));
        }
        check(&format!("registry.example/{}:1", "a".repeat(255)), Err(E::BadRepository));
        for tag in ["", ".a", "-a", "a/b", "a b", "a?b", &"a".repeat(129)] {
            check(&format!("registry.example/a:{tag}"), Err(E::BadTag));
        }
        for digest in ["", "sha256:", "sha512:00", &HEX.to_uppercase(), &format!("sha256:{}", HEX.to_uppercase())]
        {
            check(&format!("registry.example/a@{digest}"), Err(E::BadDigest));
        }
    }

    #[test]
    fn a_reference_is_shown_as_it_was_written() {
        for text in ["registry.example/a/b:1", "127.0.0.1:5000/a:1", &format!("[::1]:5000/a:1@sha256:{HEX}")] {
            let found = Reference::parse(text).expect("a reference");
            assert_eq!(found.to_string(), text);
        }
        let found = Reference::parse("registry.example/team/field-mask:1").expect("a reference");
        assert_eq!(found.short_name(), "field-mask");
        let digest = Digest::of(b"manifest");
        assert_eq!(found.pinned(digest).to_string(), format!("registry.example/team/field-mask@sha256:{digest}"));
    }
}
