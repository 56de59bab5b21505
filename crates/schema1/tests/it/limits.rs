//! Documents that are too much (T20, T21).

use serde_json::{Value, json};
use windlass_oci::{MAX_LAYERS, MAX_MANIFEST_SIZE};
use windlass_schema1::{MAX_HISTORY, MAX_SIGNATURES, is_schema1};

use crate::build::{
    SIGNER, app, blob, parse, parse_as, parse_payload, payload, refusal, refusal_of, v1,
};
use crate::sign::signed;

/// Returns a payload of so many layers, each in its place.
fn tall(count: usize, is_throwaway: bool) -> Value {
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
fn a_manifest_of_four_mebibytes_is_the_largest() {
    let original = signed(&app().to_string(), &[&SIGNER]);
    let filled = |size: usize| format!("{original}{}", " ".repeat(size - original.len()));
    assert_eq!(parse(&filled(MAX_MANIFEST_SIZE)), parse(&original));
    let larger = filled(MAX_MANIFEST_SIZE + 1);
    assert_eq!(
        refusal(&larger),
        "the manifest has 4194305 bytes, more than the 4194304 allowed"
    );
    assert!(!is_schema1(larger.as_bytes()));
}

#[test]
fn an_image_has_a_most_of_layers() {
    let most = parse_payload(&tall(MAX_LAYERS, false)).unwrap();
    assert_eq!(most.layers().len(), MAX_LAYERS);
    assert_eq!(
        refusal_of(&tall(MAX_LAYERS + 1, false)),
        "the manifest has 501 layers, more than the 500 allowed"
    );
}

#[test]
fn a_manifest_has_a_most_of_histories() {
    let most = parse_payload(&tall(MAX_HISTORY, true)).unwrap();
    assert_eq!(most.layers(), []);
    let expected = |key: &str| {
        format!(
            "invalid schema 1 manifest: {key}: invalid length 4097, expected an array of at most \
             4096 elements"
        )
    };
    assert_eq!(
        refusal_of(&tall(MAX_HISTORY + 1, true)),
        expected("fsLayers")
    );
    let mut lopsided = app();
    lopsided["history"] = json!(vec![0; 100_000]);
    assert_eq!(refusal_of(&lopsided), expected("history"));
    lopsided["fsLayers"] = json!(vec![0; 100_000]);
    assert_eq!(refusal_of(&lopsided), expected("fsLayers"));
}

#[test]
fn a_manifest_has_a_most_of_signatures() {
    let payload = app().to_string();
    parse(&signed(&payload, &[&*SIGNER; MAX_SIGNATURES])).unwrap();
    assert_eq!(
        refusal(&signed(&payload, &[&*SIGNER; MAX_SIGNATURES + 1])),
        "invalid schema 1 manifest: signatures: invalid length 17, expected an array of at most 16 \
         elements"
    );
}

#[test]
fn deep_nesting_is_refused() {
    let deep = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    for depth in [100, 200_000] {
        let document = app()
            .to_string()
            .replacen('{', &format!(r#"{{"x":{},"#, deep(depth)), 1);
        assert_eq!(
            refusal(&signed(&document, &[&SIGNER])),
            "invalid schema 1 manifest: nested deeper than 64 levels"
        );
        let mut payload = app();
        payload["history"][0]["v1Compatibility"] = json!(format!(r#"{{"x":{}}}"#, deep(depth)));
        assert_eq!(
            refusal_of(&payload),
            "history 0 of the schema 1 manifest: invalid v1 history: nested deeper than 64 levels"
        );
    }
}

#[test]
fn what_is_not_utf8_is_refused() {
    let tag = "1".parse().unwrap();
    let mut document = signed(&app().to_string(), &[&SIGNER]).into_bytes();
    let place = document.len() / 4;
    document[place] = 0xff;
    let error = parse_as(&document, "library/app", &tag).unwrap_err();
    assert!(
        crate::build::told(&error)
            .starts_with("invalid schema 1 manifest: not JSON: invalid utf-8"),
        "{error:?}"
    );
}
