//! Pushing and pulling against a small registry of our own that misbehaves. `tests/registry/run` has a real one.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use wardlock_core::id::Digest;

use super::{Artifact, Credentials, Pulled, Reference, RegistryError, pull, push};
use crate::dialer::Dialer;
use crate::vault::secret;

/// Status, headers, body.
type Answer = (u16, Vec<(&'static str, String)>, Vec<u8>);

/// A server on loopback, and the heads of what it was asked.
struct Fake {
    host: String,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Fake {
    /// Starts one. `answer` gets a request's head, and the server's own host.
    async fn start(answer: impl Fn(&str, &str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (heads, own) = (Arc::clone(&asked), host.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (mut stream, head) = head(stream).await;
                let (status, headers, body) = answer(&head, &own);
                let mut reply = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
                // The answer to HEAD has no body.
                let body = if head.starts_with("head ") { Vec::new() } else { body };
                write!(reply, "Content-Length: {}\r\n", body.len()).expect("a String takes all");
                for (name, value) in headers {
                    write!(reply, "{name}: {value}\r\n").expect("a String takes all");
                }
                heads.lock().expect("not poisoned").push(head);
                let bytes = [reply.as_bytes(), b"\r\n", &body].concat();
                // Who finds an answer too long goes away.
                let _ = stream.write_all(&bytes).await;
            }
        });
        Self { host, asked }
    }

    fn reference(&self, rest: &str) -> Reference {
        Reference::parse(&format!("{}/{rest}", self.host)).expect("a reference")
    }

    fn asked(&self) -> Vec<String> {
        self.asked.lock().expect("not poisoned").clone()
    }
}

/// Reads a request to its end, and returns its head.
async fn head(mut stream: TcpStream) -> (TcpStream, String) {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if stream.read_buf(&mut bytes).await.expect("a request") == 0 {
            return (stream, String::new());
        }
    };
    let head = String::from_utf8(bytes[..end].to_vec()).expect("UTF-8").to_ascii_lowercase();
    let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
    let length: usize = length.map_or(0, |length| length.parse().expect("a number"));
    while bytes.len() < end + 4 + length {
        stream.read_buf(&mut bytes).await.expect("a body");
    }
    (stream, head)
}

fn artifact() -> Artifact {
    let texts = |text: &str| vec![text.to_owned()];
    Artifact {
        component: b"a component".to_vec(),
        name: "field-mask".to_owned(),
        version: "1.0.0".to_owned(),
        exports: texts("wardlock:policy/settings@0.1.0"),
        imports: texts("wardlock:policy/log@0.1.0"),
        signature: Some("untrusted comment: x\nabc\n".to_owned()),
    }
}

fn manifest() -> Vec<u8> {
    artifact().make().expect("made").manifest
}

/// What a registry with one plugin in it answers.
fn stocked(head: &str, component: &[u8]) -> Answer {
    let digest = Digest::of(b"a component");
    let target = head.split(' ').nth(1).unwrap_or_default();
    match target {
        "/v2/a/manifests/1" => (200, Vec::new(), manifest()),
        _ if target.ends_with(&format!("/manifests/sha256:{}", Digest::of(&manifest()))) => {
            (200, Vec::new(), manifest())
        }
        _ if target.ends_with(&format!("/blobs/sha256:{digest}")) => (200, Vec::new(), component.to_vec()),
        _ => (404, Vec::new(), b"{}".to_vec()),
    }
}

fn dialer() -> Dialer {
    Dialer::fixed(BTreeMap::new(), Vec::new()).expect("a dialer")
}

async fn pulled(reference: &Reference, credentials: Option<Credentials>) -> Result<Pulled, RegistryError> {
    pull(&dialer(), reference, credentials).await
}

fn ann() -> Credentials {
    Credentials::new("ann", secret("canary-password")).expect("credentials")
}

#[tokio::test]
async fn a_plugin_is_pulled_and_is_what_its_digests_say() {
    let fake = Fake::start(|head, _| stocked(head, b"a component")).await;
    let found = pulled(&fake.reference("a:1"), None).await.expect("pulled");
    assert_eq!(
        (found.component.as_slice(), found.digest),
        (b"a component".as_slice(), Digest::of(b"a component"))
    );
    assert_eq!(found.signature.as_deref(), Some("untrusted comment: x\nabc\n"));
    assert_eq!(found.manifest, Digest::of(&manifest()));
    let pinned = fake.reference(&format!("a@sha256:{}", found.manifest));
    assert_eq!(pulled(&pinned, None).await.expect("pulled"), found);
    let missing = pulled(&fake.reference("a:2"), None).await.expect_err("not there");
    assert!(matches!(missing, RegistryError::NotThere { .. }), "{missing}");
}

#[tokio::test]
async fn other_bytes_than_those_that_were_named_are_refused() {
    for (component, expect) in [
        (b"a c0mponent".as_slice(), "digest"),
        (b"a component, and more", "bytes long"),
        (b"a comp", "bytes long"),
    ] {
        let fake = Fake::start(move |head, _| stocked(head, component)).await;
        let error = pulled(&fake.reference("a:1"), None).await.expect_err("refused").to_string();
        assert!(error.contains(expect), "{error}");
    }
    let wrong = Digest::of(b"another manifest");
    let fake = Fake::start(move |head, _| {
        let (status, mut headers, mut body) = (200, Vec::new(), manifest());
        if head.contains("/manifests/1") {
            headers.push(("Docker-Content-Digest", format!("sha256:{wrong}")));
        } else if !head.contains("/manifests/") {
            body = b"a component".to_vec();
        }
        (status, headers, body)
    })
    .await;
    for reference in ["a:1".to_owned(), format!("a@sha256:{wrong}"), format!("a:1@sha256:{wrong}")] {
        let error = pulled(&fake.reference(&reference), None).await.expect_err("refused");
        assert!(matches!(error, RegistryError::WrongDigest { what: "manifest", .. }), "{reference}: {error}");
    }
}

#[tokio::test]
async fn a_token_is_asked_for_with_the_password_and_the_registry_gets_only_the_token() {
    let fake = Fake::start(|head, host| match head {
        _ if head.starts_with("get /token?") && head.contains("authorization: basic ") => {
            (200, Vec::new(), br#"{"token":"canary.token","expires_in":60}"#.to_vec())
        }
        _ if head.contains("authorization: bearer canary.token") => stocked(head, b"a component"),
        _ => {
            let realm =
                format!(r#"Bearer realm="http://{host}/token?x=1",service="here",scope="repository:*:delete""#);
            (401, vec![("WWW-Authenticate", realm)], Vec::new())
        }
    })
    .await;
    pulled(&fake.reference("a:1"), Some(ann())).await.expect("pulled");
    let asked = fake.asked();
    let firsts: Vec<&str> = asked.iter().filter_map(|head| head.lines().next()).collect();
    assert_eq!(firsts[1], "get /token?x=1&service=here&scope=repository%3aa%3apull http/1.1");
    assert_eq!(firsts.len(), 4, "the token serves the whole pull: {firsts:?}");
    let told = asked.iter().filter(|head| head.contains("authorization: basic ")).count();
    assert_eq!(told, 1, "only the authorization service gets the password: {asked:?}");
}

#[tokio::test]
async fn who_may_not_in_is_told_whether_credentials_are_missing_or_wrong() {
    let basic = |_: &str, _: &str| -> Answer {
        (401, vec![("WWW-Authenticate", r#"Basic realm="x""#.to_owned())], Vec::new())
    };
    let fake = Fake::start(basic).await;
    let nobody = pulled(&fake.reference("a:1"), None).await.expect_err("refused");
    assert!(matches!(nobody, RegistryError::CredentialsWanted { .. }), "{nobody}");
    let wrong = pulled(&fake.reference("a:1"), Some(ann())).await.expect_err("refused");
    assert!(matches!(wrong, RegistryError::CredentialsRefused { .. }), "{wrong}");
    assert!(!format!("{wrong:?} {wrong}").contains("canary"), "{wrong:?}");
    let odd = Fake::start(|_, _| (401, vec![("WWW-Authenticate", "Negotiate".to_owned())], Vec::new())).await;
    let odd = pulled(&odd.reference("a:1"), Some(ann())).await.expect_err("refused");
    assert!(matches!(odd, RegistryError::Challenge { .. }), "{odd}");
}

#[tokio::test]
async fn storage_elsewhere_gets_no_credentials() {
    let storage = Fake::start(|_, _| (200, Vec::new(), b"a component".to_vec())).await;
    let place = format!("http://{}/blob?signed=yes", storage.host);
    let fake = Fake::start(move |head, _| match head {
        _ if !head.contains("authorization: basic ") => {
            (401, vec![("WWW-Authenticate", r#"Basic realm="x""#.to_owned())], Vec::new())
        }
        _ if head.contains("/blobs/") => (307, vec![("Location", place.clone())], Vec::new()),
        _ => stocked(head, b""),
    })
    .await;
    pulled(&fake.reference("a:1"), Some(ann())).await.expect("pulled");
    let asked = storage.asked();
    assert!(asked.len() == 1 && asked[0].starts_with("get /blob?signed=yes "), "{asked:?}");
    assert!(!asked[0].contains("authorization"), "{asked:?}");
}

#[tokio::test]
async fn a_registry_leads_to_no_place_that_is_not_dialled() {
    for (place, why) in [
        ("http://storage.example/blob", "plain HTTP"),
        ("http://192.0.2.1/blob", "plain HTTP"),
        ("ftp://storage.example/blob", "neither"),
        ("https://ann:x@storage.example/blob", "of its own"),
    ] {
        let fake = Fake::start(move |_, _| (302, vec![("Location", place.to_owned())], Vec::new())).await;
        let error = pulled(&fake.reference("a:1"), None).await.expect_err("refused").to_string();
        assert!(error.contains(why) && !error.contains("blob"), "{error}");
        let realm = format!(r#"Bearer realm="{place}""#);
        let fake = Fake::start(move |_, _| (401, vec![("WWW-Authenticate", realm.clone())], Vec::new())).await;
        let error = pulled(&fake.reference("a:1"), Some(ann())).await.expect_err("refused").to_string();
        assert!(error.contains(why), "{error}");
    }
    let round = Fake::start(|_, _| (302, vec![("Location", "/again".to_owned())], Vec::new())).await;
    let error = pulled(&round.reference("a:1"), None).await.expect_err("refused");
    assert!(matches!(error, RegistryError::Redirects { .. }), "{error}");
    assert_eq!(round.asked().len(), 4, "three are followed");
}

#[tokio::test]
async fn a_plugin_is_pushed_blob_by_blob_and_uploads_elsewhere_get_no_credentials() {
    let storage = Fake::start(|_, _| (201, Vec::new(), Vec::new())).await;
    let place = format!("http://{}/upload?state=1", storage.host);
    let fake = Fake::start(move |head, _| match head {
        _ if !head.contains("authorization: basic ") => {
            (401, vec![("WWW-Authenticate", r#"Basic realm="x""#.to_owned())], Vec::new())
        }
        _ if head.starts_with("post /v2/a/blobs/uploads/ ") => {
            (202, vec![("Location", place.clone())], Vec::new())
        }
        _ if head.starts_with("put /v2/a/manifests/1 ") => (201, Vec::new(), Vec::new()),
        _ => (404, Vec::new(), Vec::new()),
    })
    .await;
    let pushed = push(&dialer(), &fake.reference("a:1"), Some(ann()), &artifact()).await.expect("pushed");
    assert_eq!((pushed.manifest, pushed.component), (Digest::of(&manifest()), Digest::of(b"a component")));
    let uploads = storage.asked();
    let first = format!("put /upload?state=1&digest=sha256%3a{} ", pushed.component);
    assert!(uploads.len() == 2 && uploads[0].starts_with(&first), "{uploads:?}");
    assert!(!uploads.concat().contains("authorization"), "{uploads:?}");
    let last = fake.asked().pop().expect("asked");
    assert!(last.contains("content-type: application/vnd.oci.image.manifest.v1+json"), "{last}");
    let other = fake.reference(&format!("a:1@sha256:{}", Digest::of(b"other")));
    let error = push(&dialer(), &other, Some(ann()), &artifact()).await.expect_err("refused");
    assert!(matches!(error, RegistryError::WrongDigest { .. }), "{error}");
}

#[test]
fn a_user_is_a_name_without_a_colon() {
    for bad in ["", "a:b", "a b", "a\n", &"a".repeat(257)] {
        assert!(Credentials::new(bad, secret("x")).is_err(), "{bad:?}");
    }
    let shown = format!("{:?}", ann());
    assert!(!shown.contains("canary"), "{shown}");
}
