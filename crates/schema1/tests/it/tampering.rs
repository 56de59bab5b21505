//! Signed documents that were changed afterwards (C2).

use proptest::prelude::*;

use crate::build::{SIGNER, app, parse, rejection};
use crate::sign::{signed, split, with_signatures};

/// Asserts that `document` is rejected, or parsed like the original.
fn assert_harmless(original: &str, document: &[u8]) {
    let tag = "1".parse().unwrap();
    if let Ok(read) = crate::build::parse_as(document, "library/app", &tag) {
        let changed = String::from_utf8_lossy(document);
        assert_eq!(read, parse(original).unwrap(), "{changed}");
    }
}

#[test]
fn a_changed_byte_changes_nothing_that_is_read() {
    let original = signed(&app().to_string(), &[&SIGNER]);
    for place in 0..original.len() {
        for bits in [0x01, 0x02, 0x04, 0x20, 0x80] {
            let mut document = original.clone().into_bytes();
            document[place] ^= bits;
            assert_harmless(&original, &document);
        }
    }
}

#[test]
fn a_byte_more_or_less_changes_nothing_that_is_read() {
    let original = signed(&app().to_string(), &[&SIGNER]);
    for place in 0..original.len() {
        let mut document = original.clone().into_bytes();
        let byte = document.remove(place);
        assert_harmless(&original, &document);
        for more in [byte, b' ', b'}', b','] {
            let mut document = original.clone().into_bytes();
            document.insert(place, more);
            assert_harmless(&original, &document);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_splice_changes_what_is_read(
        from in 0..2000usize,
        length in 0..300usize,
        to in 0..2000usize,
        keep in any::<bool>(),
    ) {
        let original = signed(&app().to_string(), &[&SIGNER]);
        let bytes = original.as_bytes();
        let from = from % bytes.len();
        let end = (from + length).min(bytes.len());
        let mut document = bytes.to_vec();
        if !keep {
            document.drain(from..end);
        }
        let to = to % (document.len() + 1);
        document.splice(to..to, bytes[from..end].iter().copied());
        assert_harmless(&original, &document);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let tag = "1".parse().unwrap();
        prop_assert!(crate::build::parse_as(&bytes, "library/app", &tag).is_err());
    }
}

/// White space and unknown members in the signatures are ignored.
#[test]
fn white_space_in_the_signatures_is_ignored() {
    let original = signed(&app().to_string(), &[&SIGNER]);
    let blank = original
        .replace(r#","signatures":["#, " ,\n\t\"signatures\" : [ ")
        .replace(r#""header":{"#, r#""header" : { "typ":"JWS", "#);
    assert_ne!(blank, original);
    assert_eq!(parse(&blank).unwrap(), parse(&original).unwrap());
    let end = format!("{original} \r\n");
    assert_eq!(parse(&end).unwrap(), parse(&original).unwrap());
}

/// CVE-2014-8179: a document with unsigned members is rejected.
#[test]
fn members_outside_the_payload_are_rejected() {
    let format = "signature 0 of the schema 1 manifest: the document contains something other than \
                  the signed payload and its signatures";
    let twice = |key| format!("invalid schema 1 manifest: {key}: duplicate key");
    let original = signed(&app().to_string(), &[&SIGNER]);
    let (head, tail) = split(&original);
    for (more, expected) in [
        (r#""tag":"2""#, twice("tag")),
        (r#""fsLayers":[]"#, twice("fsLayers")),
        (r#""signatures":[]"#, twice("signatures")),
        (r#""signature\u0073":[]"#, twice("signatures")),
        (r#""evil":1"#, format.to_owned()),
        (r#""config":{}"#, format.to_owned()),
        (
            r#""Signatures":[]"#,
            "invalid schema 1 manifest: Signatures: the key must be spelled \"signatures\""
                .to_owned(),
        ),
    ] {
        assert_eq!(
            rejection(&format!("{head},{more}{tail}")),
            expected,
            "{more}"
        );
        let before = original.replacen('{', &format!("{{{more},"), 1);
        assert!(parse(&before).is_err(), "{more}");
        let between = original.replacen(r#","signatures""#, &format!(r#",{more},"signatures""#), 1);
        assert!(parse(&between).is_err(), "{more}");
    }
}

#[test]
fn signatures_of_one_document_are_invalid_for_another() {
    let (one, mut two) = (app(), app());
    two["architecture"] = "arm64".into();
    let (one, two) = (one.to_string(), two.to_string());
    let signed_one = signed(&one, &[&SIGNER]);
    let start = signed_one.find("[{\"header\"").unwrap() + 1;
    let end = signed_one.rfind(']').unwrap();
    let block = signed_one[start..end].to_owned();
    assert_eq!(
        parse(&with_signatures(&one, std::slice::from_ref(&block))),
        parse(&signed_one)
    );
    assert_eq!(
        rejection(&with_signatures(&two, &[block])),
        "signature 0 of the schema 1 manifest: the signature does not match"
    );
}

#[test]
fn signatures_may_be_reordered_but_not_swapped_between_blocks() {
    let payload = app().to_string();
    let (one, two) = (
        crate::sign::Signer::new("ES256"),
        crate::sign::Signer::new("ES256"),
    );
    let original = signed(&payload, &[&one, &two]);
    let value: serde_json::Value = serde_json::from_str(&original).unwrap();
    let blocks = |turned: [&serde_json::Value; 2]| turned.map(ToString::to_string);
    let (first, second) = (&value["signatures"][0], &value["signatures"][1]);
    let turned = with_signatures(&payload, &blocks([second, first]));
    assert_eq!(parse(&turned), parse(&original));

    let (mut first, mut second) = (first.clone(), second.clone());
    std::mem::swap(&mut first["signature"], &mut second["signature"]);
    let swapped = with_signatures(&payload, &blocks([&first, &second]));
    assert_eq!(
        rejection(&swapped),
        "signature 0 of the schema 1 manifest: the signature does not match"
    );
}
