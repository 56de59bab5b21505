//! Limits of size, depth and number (T20, T21).

use serde_json::{Value, json};
use windlass_oci::{MAX_LAYERS, MAX_MANIFEST_SIZE};
use windlass_schema1::{MAX_HISTORY, MAX_SIGNATURES, is_schema1};

use crate::build::{
    SIGNER, app, blob, parse, parse_as, parse_payload, payload, payload_rejection, rejection, v1,
};
use crate::sign::signed;

/// Returns a payload with `count` layers that form a valid chain.
fn with_layers(count: usize, is_throwaway: bool) -> Value {
    let id = |place: usize| format!("{place:064x}");
    let entries = (0..count).rev().map(|place| {
        let parent = place.checked_sub(1).map(id).unwrap_or_default();
        (
            blob("layer"),
            v1(&id(place), &parent, json!({"throwaway": is_throwaway})),
        )
    });
    payload(&entries.collect::<Vec<_>>())
}

#[test]
fn the_size_is_bounded() {
    let original = signed(&app().to_string(), &[&SIGNER]);
    let filled = |size: usize| format!("{original}{}", " ".repeat(size - original.len()));
    assert_eq!(parse(&filled(MAX_MANIFEST_SIZE)), parse(&original));
    let larger = filled(MAX_MANIFEST_SIZE + 1);
    assert_eq!(
        rejection(&larger),
        "the manifest has 4194305 bytes, more than the 4194304 allowed"
    );
    assert!(!is_schema1(larger.as_bytes()));
}

#[test]
fn the_number_of_layers_is_bounded() {
    let most = parse_payload(&with_layers(MAX_LAYERS, false)).unwrap();
    assert_eq!(most.layers().len(), MAX_LAYERS);
    assert_eq!(
        payload_rejection(&with_layers(MAX_LAYERS + 1, false)),
        "the manifest has 501 layers, more than the 500 allowed"
    );
}

#[test]
fn the_number_of_histories_is_bounded() {
    let most = parse_payload(&with_layers(MAX_HISTORY, true)).unwrap();
    assert_eq!(most.layers(), []);
    let expected = |key: &str| {
        format!(
            "invalid schema 1 manifest: {key}: invalid length 4097, expected an array of at most \
             4096 elements"
        )
    };
    assert_eq!(
        payload_rejection(&with_layers(MAX_HISTORY + 1, true)),
        expected("fsLayers")
    );
    let mut lopsided = app();
    lopsided["history"] = json!(vec![0; 100_000]);
    assert_eq!(payload_rejection(&lopsided), expected("history"));
    lopsided["fsLayers"] = json!(vec![0; 100_000]);
    assert_eq!(payload_rejection(&lopsided), expected("fsLayers"));
}

#[test]
fn the_number_of_signatures_is_bounded() {
    let payload = app().to_string();
    parse(&signed(&payload, &[&*SIGNER; MAX_SIGNATURES])).unwrap();
    assert_eq!(
        rejection(&signed(&payload, &[&*SIGNER; MAX_SIGNATURES + 1])),
        "invalid schema 1 manifest: signatures: invalid length 17, expected an array of at most 16 \
         elements"
    );
}

#[test]
fn the_nesting_depth_is_bounded() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for depth in [100, 200_000] {
        let document = app()
            .to_string()
            .replacen('{', &format!(r#"{{"x":{},"#, deep(depth)), 1);
        assert_eq!(
            rejection(&signed(&document, &[&SIGNER])),
            "invalid schema 1 manifest: nested deeper than 64 levels"
        );
        let mut payload = app();
        payload["history"][0]["v1Compatibility"] = json!(format!(r#"{{"x":{}}}"#, deep(depth)));
        assert_eq!(
            payload_rejection(&payload),
            "history 0 of the schema 1 manifest: invalid v1 history: nested deeper than 64 levels"
        );
    }
}

#[test]
fn invalid_utf_8_is_rejected() {
    let tag = "1".parse().unwrap();
    let mut document = signed(&app().to_string(), &[&SIGNER]).into_bytes();
    document[20] = 0xff;
    let error = parse_as(&document, "library/app", &tag).unwrap_err();
    assert_eq!(
        crate::build::error_text(&error),
        "invalid schema 1 manifest: not JSON: invalid utf-8 sequence of 1 bytes from index 20"
    );
}
