//! Keys that are none, and signatures that are torn, changed, foreign or of the old kind.

use minisign::KeyPair;

use super::*;

const COMPONENT: &[u8] = b"\0asm a component";

fn pair() -> KeyPair {
    KeyPair::generate_unencrypted_keypair().expect("a key pair")
}

fn line(pair: &KeyPair) -> String {
    pair.pk.to_base64()
}

fn name(text: &str) -> PublisherName {
    PublisherName::parse(text).expect("a name")
}

fn sign(pair: &KeyPair, component: &[u8], comment: &str) -> String {
    let signed = minisign::sign(Some(&pair.pk), &pair.sk, component, Some(comment), None);
    signed.expect("a signature").into_string()
}

fn publishers(pairs: &[(&str, &KeyPair)], signed: bool) -> Publishers {
    let keys = pairs.iter().map(|(called, pair)| (name(called), PublisherKey::parse(&line(pair)).expect("a key")));
    Publishers::new(keys, signed).expect("different keys")
}

#[test]
fn key_is_read_from_its_line_and_from_its_file() {
    let pair = pair();
    let of_line = PublisherKey::parse(&line(&pair)).expect("a key");
    let file = pair.pk.to_box().expect("a box").to_string();
    assert!(file.starts_with("untrusted comment:"), "{file}");
    assert_eq!(PublisherKey::parse(&file).expect("a key"), of_line);
    assert!(file.contains(&of_line.id().to_string()), "minisign shows the same id: {file}");
    assert_eq!(of_line.line(), line(&pair));
}

#[test]
fn what_is_no_key_is_told_apart() {
    let pair = pair();
    let secret = pair.sk.to_box(None).expect("a box").to_string();
    assert_eq!(PublisherKey::parse(&secret), Err(KeyError::Secret));
    assert_eq!(PublisherKey::parse(secret.lines().nth(1).expect("a line")), Err(KeyError::Secret));
    let short = &line(&pair)[..55];
    let two = format!("{}\n{}", line(&pair), line(&pair));
    let signature = sign(&pair, COMPONENT, "x");
    for text in ["", "acme.pub", "untrusted comment: only", short, &two, &signature] {
        assert_eq!(PublisherKey::parse(text), Err(KeyError::NotOne), "{text}");
    }
    // The neutral element: under it anybody's signature can be made to hold.
    let mut bytes = b"Ed\x01\x02\x03\x04\x05\x06\x07\x08\x01".to_vec();
    bytes.resize(42, 0);
    assert_eq!(PublisherKey::parse(&crate::text::encode_base64(&bytes)), Err(KeyError::NoPoint));
}

#[test]
fn signature_names_its_publisher_and_shows_a_safe_comment() {
    let (acme, globex) = (pair(), pair());
    let publishers = publishers(&[("acme", &acme), ("globex", &globex)], false);
    let signature = sign(&globex, COMPONENT, "release 7\u{1b}[31m\u{202e}");
    let standing = publishers.standing(COMPONENT, Some(signature.as_bytes())).expect("it holds");
    let Standing::Signed(signer) = &standing else { panic!("{standing:?}") };
    assert_eq!((signer.publisher.as_str(), signer.comment.as_str()), ("globex", "release 7\\u{1b}[31m\\u{202e}"));
    assert_eq!(publishers.standing(COMPONENT, None), Ok(Standing::Unsigned));
}

#[test]
fn changed_component_or_comment_is_no_signature() {
    let acme = pair();
    let publishers = publishers(&[("acme", &acme)], false);
    let signature = sign(&acme, COMPONENT, "release 7");
    let wrong = |component: &[u8], signature: &str| {
        let found = publishers.standing(component, Some(signature.as_bytes()));
        assert!(matches!(found, Err(SignatureError::Wrong { .. })), "{found:?}");
    };
    wrong(b"\0asm a komponent", &signature);
    wrong(COMPONENT, &signature.replace("release 7", "release 8"));
    // Each of the bytes that are signed or sign.
    let lines: Vec<&str> = signature.lines().collect();
    for at in [1, 3] {
        let mut bytes = crate::text::decode_base64(lines[at]).expect("base64");
        let last = bytes.len() - 1;
        for byte in [10, 41, 42, last].into_iter().filter(|byte| *byte <= last) {
            bytes[byte] ^= 1;
            let mut changed: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
            changed[at] = crate::text::encode_base64(&bytes);
            // minisign pads, as its reader wants.
            while !changed[at].len().is_multiple_of(4) {
                changed[at].push('=');
            }
            wrong(COMPONENT, &changed.join("\n"));
            bytes[byte] ^= 1;
        }
    }
}

#[test]
fn torn_and_legacy_signatures_say_nothing_whoever_made_them() {
    let (acme, stranger) = (pair(), pair());
    let publishers = publishers(&[("acme", &acme)], false);
    for by in [&acme, &stranger] {
        let signature = sign(by, COMPONENT, "x");
        let lines: Vec<&str> = signature.lines().collect();
        let torn = [
            String::new(),
            lines[..3].join("\n"),
            signature[..signature.len() - 20].to_owned(),
            signature.replace("trusted comment: x", "comment: x"),
            format!("{signature}\nmore"),
            format!("{}{}", "untrusted comment: ".repeat(2000), signature),
        ];
        for text in torn {
            let found = publishers.standing(COMPONENT, Some(text.as_bytes()));
            assert_eq!(found, Err(SignatureError::Torn), "{text}");
        }
        assert_eq!(publishers.standing(COMPONENT, Some(&[0xff, 0xfe])), Err(SignatureError::Torn));
        let legacy = signature.replacen("\nRU", "\nRW", 1);
        assert_eq!(publishers.standing(COMPONENT, Some(legacy.as_bytes())), Err(SignatureError::Legacy));
    }
}

#[test]
fn p16_stranger_under_the_id_of_a_trusted_key_is_no_publisher() {
    let (acme, stranger) = (pair(), pair());
    let publishers = publishers(&[("acme", &acme)], false);
    let foreign = sign(&stranger, COMPONENT, "x");
    let found = publishers.standing(COMPONENT, Some(foreign.as_bytes())).expect("it has its form");
    assert!(matches!(found, Standing::Untrusted { .. }), "{found:?}");
    // A stranger's signature under the id of a key that is trusted.
    let mut bytes = crate::text::decode_base64(foreign.lines().nth(1).expect("a line")).expect("base64");
    let own = crate::text::decode_base64(&line(&acme)).expect("base64");
    bytes[2..10].copy_from_slice(&own[2..10]);
    let lines: Vec<&str> = foreign.lines().collect();
    let mut renamed = crate::text::encode_base64(&bytes);
    while !renamed.len().is_multiple_of(4) {
        renamed.push('=');
    }
    let forged = [lines[0], &renamed, lines[2], lines[3]].join("\n");
    let found = publishers.standing(COMPONENT, Some(forged.as_bytes()));
    assert!(matches!(found, Err(SignatureError::Wrong { .. })), "{found:?}");
}

#[test]
fn who_may_load_is_who_is_wanted() {
    let (acme, globex) = (pair(), pair());
    let any = publishers(&[("acme", &acme), ("globex", &globex)], false);
    let strict = publishers(&[("acme", &acme), ("globex", &globex)], true);
    let signed = any.standing(COMPONENT, Some(sign(&acme, COMPONENT, "x").as_bytes())).expect("it holds");
    let untrusted =
        any.standing(COMPONENT, Some(sign(&pair(), COMPONENT, "x").as_bytes())).expect("it has its form");
    let (ours, theirs) = (name("acme"), name("globex"));
    for (standing, wanted, loads, loads_where_strict) in [
        (&Standing::Unsigned, None, true, false),
        (&untrusted, None, true, false),
        (&signed, None, true, true),
        (&Standing::Unsigned, Some(&ours), false, false),
        (&untrusted, Some(&ours), false, false),
        (&signed, Some(&ours), true, true),
        (&signed, Some(&theirs), false, false),
    ] {
        let found = (any.admit(standing, wanted).is_ok(), strict.admit(standing, wanted).is_ok());
        assert_eq!(found, (loads, loads_where_strict), "{standing:?} for {wanted:?}");
    }
}

#[test]
fn two_publishers_never_share_a_key() {
    let acme = pair();
    let key = PublisherKey::parse(&line(&acme)).expect("a key");
    let twice = Publishers::new([(name("acme"), key.clone()), (name("double"), key)], false);
    assert_eq!(twice, Err(name("double")));
}
