//! Verification of signatures.

use windlass_oci::Digest;

use crate::build::{app, parse, rejection};
use crate::sign::{self, Signer, base64, block, protected, protected_format, signed};

const FORMAT: &str = "signature 0 of the schema 1 manifest: the document contains something other \
                      than the signed payload and its signatures";
const MISMATCH: &str = "signature 0 of the schema 1 manifest: the signature does not match";

/// Signs the payload of two layers with this header.
fn with_header(signer: &Signer, header: &str) -> String {
    let payload = app().to_string();
    let block = block(signer, header, &protected(&payload), &payload);
    sign::with_signatures(&payload, &[block])
}

fn with_protected(protected: &str) -> String {
    let payload = app().to_string();
    let signer = Signer::new("ES256");
    let block = block(&signer, &signer.header(), protected, &payload);
    sign::with_signatures(&payload, &[block])
}

/// S1-1, MF-2
#[test]
fn every_algorithm_of_libtrust_is_verified() {
    for algorithm in ["ES256", "ES384", "ES512", "RS256", "RS384", "RS512"] {
        let payload = app().to_string();
        let manifest = parse(&signed(&payload, &[&Signer::new(algorithm)])).unwrap();
        assert_eq!(manifest.payload(), payload.as_bytes(), "{algorithm}");
        assert_eq!(manifest.digest(), Digest::sha256(&payload), "{algorithm}");
    }
}

#[test]
fn the_payload_may_be_indented() {
    let payload = format!("{:#}\n \t", app());
    let manifest = parse(&signed(&payload, &[&Signer::new("ES256")])).unwrap();
    assert_eq!(manifest.payload(), payload.as_bytes());
}

#[test]
fn every_signature_must_match() {
    let payload = app().to_string();
    let (one, two) = (Signer::new("ES256"), Signer::new("RS256"));
    parse(&signed(&payload, &[&one, &two])).unwrap();
    let good = block(&one, &one.header(), &protected(&payload), &payload);
    let bad = block(&two, &two.header(), &protected(&payload), "another payload");
    assert_eq!(
        rejection(&sign::with_signatures(&payload, &[good, bad])),
        "signature 1 of the schema 1 manifest: the signature does not match"
    );
}

#[test]
fn a_signature_of_another_key_does_not_match() {
    let (one, two) = (Signer::new("ES256"), Signer::new("ES256"));
    assert_eq!(rejection(&with_header(&one, &two.header())), MISMATCH);
}

#[test]
fn an_unsigned_manifest_is_rejected_by_name() {
    let unsigned = app().to_string();
    let null = unsigned.replacen('{', r#"{"signatures":null,"#, 1);
    let empty = sign::with_signatures(&unsigned, &[]);
    for document in [&unsigned, &null, &empty] {
        assert_eq!(rejection(document), "the schema 1 manifest is not signed");
    }
}

#[test]
fn malformed_signatures_are_rejected() {
    let (ec, rsa) = (Signer::new("ES256"), Signer::new("RS256"));
    let header = |algorithm: &str, jwk: &str| format!(r#"{{"alg":"{algorithm}","jwk":{jwk}}}"#);
    let unsupported = |found: &str| {
        format!(
            "unsupported algorithm \"{found}\": expected ES256, ES384, ES512, RS256, RS384 or RS512"
        )
    };
    let secret = format!(r#"{{"kty":"oct","k":"{}"}}"#, base64("secret"));
    let other_curve = ec.jwk().replace("P-256", "P-384");
    let unknown_curve = ec.jwk().replace("P-256", "secp256k1");
    let x = base64([0xff; 32]);
    let off_curve = format!(r#"{{"kty":"EC","crv":"P-256","x":"{x}","y":"{x}"}}"#);
    let small = format!(
        r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#,
        base64([0xff; 128])
    );
    let huge = format!(
        r#"{{"kty":"RSA","n":"{}","e":"AQAB"}}"#,
        base64([0xff; 1025])
    );
    for (signer, header, expected) in [
        (&ec, header("none", &ec.jwk()), unsupported("none")),
        (&ec, header("HS256", &secret), unsupported("HS256")),
        (&ec, header("", &ec.jwk()), unsupported("")),
        (&rsa, header("PS256", &rsa.jwk()), unsupported("PS256")),
        (
            &ec,
            header("ES256", &secret),
            "unsupported key \"oct\"".to_owned(),
        ),
        (
            &ec,
            header("ES384", &ec.jwk()),
            "the key cannot be used with ES384".to_owned(),
        ),
        (
            &ec,
            header("RS256", &ec.jwk()),
            "the key cannot be used with RS256".to_owned(),
        ),
        (
            &rsa,
            header("ES256", &rsa.jwk()),
            "the key cannot be used with ES256".to_owned(),
        ),
        (
            &ec,
            header("ES256", &other_curve),
            "the key is invalid".to_owned(),
        ),
        (
            &ec,
            header("ES256", &unknown_curve),
            "unsupported key \"secp256k1\"".to_owned(),
        ),
        (
            &ec,
            header("ES256", &off_curve),
            "the signature does not match".to_owned(),
        ),
        (
            &rsa,
            header("RS384", &rsa.jwk()),
            "the signature does not match".to_owned(),
        ),
        (
            &rsa,
            header("RS256", &small),
            "the signature does not match".to_owned(),
        ),
        (
            &rsa,
            header("RS256", &huge),
            "the key is invalid".to_owned(),
        ),
        (
            &ec,
            header("ES256", "null"),
            "invalid signature: header.jwk: missing".to_owned(),
        ),
        (
            &ec,
            header("ES256", "[]"),
            "invalid signature: header.jwk: invalid type: sequence, expected a map".to_owned(),
        ),
        (
            &ec,
            header("ES256", &ec.jwk().replace(r#""x":""#, r#""x":"=="#)),
            "header.jwk.x is not base64url".to_owned(),
        ),
        (
            &ec,
            format!(r#"{{"alg":"ES256","x5c":["MIIB"],"jwk":{}}}"#, ec.jwk()),
            "its key is in a certificate (x5c), which is not supported".to_owned(),
        ),
        (
            &ec,
            format!(r#"{{"alg":"ES256","crit":["b64"],"jwk":{}}}"#, ec.jwk()),
            "it requires extensions (crit), and none are supported".to_owned(),
        ),
        (
            &ec,
            format!(r#"{{"Alg":"ES256","jwk":{}}}"#, ec.jwk()),
            "invalid signature: header.Alg: the key must be spelled \"alg\"".to_owned(),
        ),
    ] {
        let expected = format!("signature 0 of the schema 1 manifest: {expected}");
        assert_eq!(
            rejection(&with_header(signer, &header)),
            expected,
            "{header}"
        );
    }
}

/// C2: the protected header must describe where the payload ends.
#[test]
fn a_wrong_format_is_rejected() {
    let payload = app().to_string();
    let length = payload.len() - 1;
    for length in [
        0,
        1,
        length - 1,
        length + 1,
        payload.len() + 9999,
        usize::MAX,
    ] {
        let document = with_protected(&protected_format(length, "}"));
        assert_eq!(rejection(&document), FORMAT, "{length}");
    }
    for tail in ["", "}}", ",\"tag\":\"2\"}", "}{", "]", "\u{a0}}", "} x"] {
        let document = with_protected(&protected_format(length, tail));
        assert_eq!(rejection(&document), FORMAT, "{tail:?}");
    }
    for (number, expected) in [
        ("-1", "invalid value: integer `-1`, expected u64"),
        ("1.0", "invalid type: floating point `1.0`, expected u64"),
        ("1e3", "invalid type: floating point `1000.0`, expected u64"),
        ("\"1\"", "invalid type: string \"1\", expected u64"),
        ("null", "missing"),
        (
            "99999999999999999999999",
            "invalid type: floating point `1e+23`, expected u64",
        ),
    ] {
        let protected = format!(r#"{{"formatLength":{number},"formatTail":"fQ"}}"#);
        assert_eq!(
            rejection(&with_protected(&protected)),
            format!(
                "signature 0 of the schema 1 manifest: invalid signature: formatLength: {expected}"
            )
        );
    }
}

/// C2: the payload ends with the signed tail, not with the end of the document.
#[test]
fn the_payload_ends_with_the_signed_tail() {
    let payload = app().to_string();
    let document = with_protected(&protected_format(payload.len() - 1, "\n}\n"));
    assert_eq!(
        rejection(&document),
        MISMATCH,
        "the payload was signed without the line ends"
    );
}

#[test]
fn all_signatures_must_sign_the_same_payload() {
    let signer = Signer::new("ES256");
    let (payload, longer) = (app().to_string(), format!("{}\n", app()));
    let one = block(&signer, &signer.header(), &protected(&payload), &payload);
    let two = block(&signer, &signer.header(), &protected(&longer), &longer);
    assert_eq!(
        rejection(&sign::with_signatures(&payload, &[one, two])),
        "signature 1 of the schema 1 manifest: it signs another payload than the first signature"
    );
}

#[test]
fn unknown_protected_members_are_rejected() {
    let payload = app().to_string();
    let protected = protected(&payload);
    for (name, value) in [("alg", "\"none\""), ("crit", "[\"b64\"]"), ("b64", "false")] {
        let more = protected.replacen('{', &format!(r#"{{"{name}":{value},"#), 1);
        let expected = format!(
            "signature 0 of the schema 1 manifest: unknown member \"{name}\" in the protected header"
        );
        assert_eq!(rejection(&with_protected(&more)), expected);
    }
    let twice = protected.replacen('{', r#"{"formatLength":3,"#, 1);
    assert_eq!(
        rejection(&with_protected(&twice)),
        "signature 0 of the schema 1 manifest: invalid signature: formatLength: duplicate key"
    );
}
