//! What an upstream shows of a secret, wherever it shows it, does not reach the agent (facts U2).

use std::io::Write as _;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
use wardlock_core::refusal::Code;
use wardlock_egress::{ScrubbedBody, Sent};

use crate::fault::{Fault, Seen, Step, answer, send};
use crate::flowing::chunk;
use crate::support::World;

/// Reads everything that would reach the agent.
async fn shown(sent: Sent) -> Vec<u8> {
    let mut all = sent.answer.status().to_string().into_bytes();
    for (name, value) in sent.answer.headers() {
        all.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat());
    }
    match sent.answer.into_body() {
        ScrubbedBody::Whole(bytes) => all.extend_from_slice(&bytes),
        ScrubbedBody::Flowing(mut flow) => {
            while let Some(piece) = flow.next().await {
                all.extend_from_slice(&piece.expect("a piece"));
            }
        }
    }
    all
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("packed");
    encoder.finish().expect("packed")
}

fn deflate(bytes: &[u8], bare: bool) -> Vec<u8> {
    if bare {
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(bytes).expect("packed");
        return encoder.finish().expect("packed");
    }
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).expect("packed");
    encoder.finish().expect("packed")
}

/// A text that does not pack to nothing.
fn noise(length: usize) -> String {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        char::from(b'a' + u8::try_from((state >> 24) % 26).expect("a letter"))
    };
    std::iter::repeat_with(&mut next).take(length).collect()
}

type Place = (&'static str, fn(&str) -> Vec<Step>);

/// A coding's name, and how it packs.
type Coding = (&'static str, fn(&[u8]) -> Vec<u8>);

/// Every place in an answer where a token can stand.
const PLACES: [Place; 13] = [
    ("body", |token| answer("200 OK", "", format!("{{\"t\":\"{token}\"}}"))),
    ("body with its scheme", |token| answer("200 OK", "", format!("Zoho-oauthtoken {token}"))),
    ("header", |token| answer("200 OK", &format!("X-Echo: a{token}b\r\n"), "{}")),
    ("header that never passes", |token| answer("200 OK", &format!("X-Trace-Id: {token}\r\n"), "{}")),
    ("location", |token| answer("302 Found", &format!("Location: /crm/{token}?t={token}\r\n"), "{}")),
    ("cookie", |token| answer("200 OK", &format!("Set-Cookie: t={token}; Path=/\r\n"), "{}")),
    ("reason phrase", |token| answer(&format!("200 {token}"), "", "{}")),
    ("error page", |token| answer("500 Oops", "Content-Type: text/html\r\n", format!("<pre>GET / {token}</pre>"))),
    ("trailer", |token| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Echo\r\n\r\n2\r\n{}\r\n0\r\n";
        vec![send(format!("{head}X-Echo: {token}\r\n\r\n"))]
    }),
    ("chunk extension", |token| {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        vec![send(format!("{head}2;t={token}\r\n{{}}\r\n0\r\n\r\n"))]
    }),
    ("one byte a segment", |token| {
        let whole = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n<{token}>", token.len() + 2);
        vec![Step::Drip(whole.into_bytes(), std::time::Duration::from_micros(50))]
    }),
    ("one byte a chunk", |token| {
        let chunks: Vec<u8> = token.bytes().flat_map(|byte| chunk([byte])).collect();
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
        vec![Step::Send([head, chunks, chunk("")].concat())]
    }),
    ("at the border of what is held", |token| {
        let filler = "x".repeat(wardlock_egress::BUFFERED - 20);
        answer("200 OK", "", format!("{filler}{token}{filler}{token}"))
    }),
];

#[tokio::test(flavor = "multi_thread")]
async fn u2_a_token_is_cut_out_wherever_it_stands_in_an_answer() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    for (place, script) in PLACES {
        let fault = Fault::answering(move |seen: &Seen| script(&seen.token())).await;
        let sent = world.read_with(&world.api_at(&fault), "eu").await.expect(place);
        let shown = shown(sent).await;
        assert!(!fault.seen().is_empty(), "{place}");
        world.assert_no_secret(&shown);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u2_a_compressed_answer_is_unpacked_scanned_and_passed_on_plain() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let codings: [Coding; 4] = [
        ("gzip", gzip),
        ("X-GZIP", gzip),
        ("deflate", |bytes| deflate(bytes, false)),
        ("deflate", |bytes| deflate(bytes, true)),
    ];
    // One that is held, and one that flows.
    for filler in [0, wardlock_egress::BUFFERED + 1000].map(noise) {
        for (name, pack) in codings {
            let before = filler.clone();
            let script = move |seen: &Seen| {
                let packed = pack(format!("{before}<{}>", seen.token()).as_bytes());
                answer("200 OK", &format!("Content-Encoding: {name}\r\n"), packed)
            };
            let fault = Fault::answering(script).await;
            let sent = world.read_with(&world.api_at(&fault), "eu").await.expect("sent");
            assert!(!sent.answer.headers().contains_key("content-encoding"), "{name}");
            let shown = shown(sent).await;
            assert!(shown.ends_with(format!("{filler}<[REDACTED:crm-eu]>").as_bytes()), "{name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u2_what_cannot_be_read_is_withheld() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    let bomb = gzip(&vec![0; 64 * 1024 * 1024]);
    let table = [
        answer("200 OK", "Content-Encoding: br\r\n", "x"),
        answer("200 OK", "Content-Encoding: zstd\r\n", "x"),
        answer("200 OK", "Content-Encoding: gzip, gzip\r\n", gzip(&gzip(b"{}"))),
        answer("200 OK", "Content-Encoding: gzip\r\nContent-Encoding: deflate\r\n", "x"),
        answer("200 OK", "Content-Encoding: gzip\r\n", "{\"not\":\"packed\"}"),
        answer("200 OK", "Content-Encoding: gzip\r\n", bomb),
        answer("206 Partial Content", "Content-Range: bytes 0-9/100\r\n", "1000.aaaaa"),
        answer("200 OK", "Content-Range: bytes 0-9/100\r\n", "1000.aaaaa"),
    ];
    for steps in table {
        let told = format!("{:.80}", format!("{:?}", String::from_utf8_lossy(bytes_of(&steps))));
        let fault = Fault::answering(move |_| steps.clone()).await;
        let error = world.read_with(&world.api_at(&fault), "eu").await.expect_err("withheld");
        assert_eq!(error.refusal().code, Code::AnswerNotScannable, "{told}");
    }
}

fn bytes_of(steps: &[Step]) -> &[u8] {
    match steps {
        [Step::Send(bytes)] => bytes,
        other => panic!("one piece: {other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn u2_secrets_of_before_are_still_cut_out() {
    let world = World::new().await;
    world.connect("eu").await.expect("connected");
    world.simulator.switches().change(|switches| {
        switches.rotation = wardlock_simulator::Rotation::WithoutGrace;
    });
    let (access, refresh) = (world.simulator.access_tokens().pop(), world.simulator.refresh_tokens().pop());
    world.advance(2 * 3_600_000);
    assert_eq!(world.read("eu").await.expect("sent").answer.status(), 200);
    let old = format!("<{}|{}>", access.expect("a token"), refresh.expect("a token"));
    let script = move |_: &Seen| answer("200 OK", "", &old);
    let fault = Fault::answering(script).await;
    let sent = world.read_with(&world.api_at(&fault), "eu").await.expect("sent");
    let shown = String::from_utf8(shown(sent).await).expect("text");
    assert!(shown.ends_with("<[REDACTED:crm-eu]|[REDACTED:crm-eu]>"), "{shown}");
}
