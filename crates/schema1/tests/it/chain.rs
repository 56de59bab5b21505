//! The chain of v1 IDs and the layers (S1-2, S1-3, S1-4).

use serde_json::{Value, json};
use windlass_oci::Digest;
use windlass_schema1::V1Layer;

use crate::build::{app, blob, id, parse_payload, payload, payload_rejection, v1};

/// Returns a payload of these IDs and parents, the top one first.
fn chain(links: &[(&str, &str)]) -> Value {
    let entries: Vec<_> = links
        .iter()
        .enumerate()
        .map(|(place, (id, parent))| (blob(&place.to_string()), v1(id, parent, json!({}))))
        .collect();
    payload(&entries)
}

fn layers(names: &[&str]) -> Vec<V1Layer> {
    names
        .iter()
        .map(|name| V1Layer { blob: blob(name) })
        .collect()
}

/// S1-2
#[test]
fn the_numbers_of_layers_and_histories_must_agree() {
    let mut short = app();
    short["history"].as_array_mut().unwrap().pop();
    assert_eq!(
        payload_rejection(&short),
        "the manifest has 2 layers but 1 histories"
    );
    let mut bare = app();
    bare["fsLayers"] = Value::Null;
    assert_eq!(
        payload_rejection(&bare),
        "the manifest has 0 layers but 2 histories"
    );
    assert_eq!(
        payload_rejection(&payload(&[])),
        "the manifest has no layers"
    );
}

#[test]
fn layers_come_base_first() {
    let (a, b, c) = (id('a'), id('b'), id('c'));
    let manifest = parse_payload(&chain(&[(&c, &b), (&b, &a), (&a, "")])).unwrap();
    assert_eq!(manifest.layers(), layers(&["2", "1", "0"]));
}

/// S1-3: IDs are only compared, but must be well-formed all the same (A5, CVE-2014-9358).
#[test]
fn an_id_is_64_hex_digits() {
    let long = id('a') + "a";
    let upper = id('A');
    for wrong in [
        "",
        "../../x",
        "/etc/passwd",
        "abc",
        &long,
        &upper,
        &id('g'),
        &id('ä'),
    ] {
        let shown = windlass_oci::text::sanitize(wrong);
        assert_eq!(
            payload_rejection(&chain(&[(wrong, "")])),
            format!(
                "history 0 of the schema 1 manifest: the v1 ID {shown:?} is not 64 lower-case hex digits"
            )
        );
    }
    let mut none = app();
    none["history"][1]["v1Compatibility"] = json!("{}");
    assert_eq!(
        payload_rejection(&none),
        "history 1 of the schema 1 manifest: the v1 ID \"\" is not 64 lower-case hex digits"
    );
}

/// S1-3
#[test]
fn the_base_has_no_parent() {
    let (a, b) = (id('a'), id('b'));
    for parent in [&*b, "../../x"] {
        assert_eq!(
            payload_rejection(&chain(&[(&a, parent)])),
            format!("the lowest layer has the parent {parent:?}")
        );
    }
}

/// S1-3
#[test]
fn each_parent_is_the_layer_below() {
    let (a, b, c) = (id('a'), id('b'), id('c'));
    for parent in ["", &*c, "../../x"] {
        assert_eq!(
            payload_rejection(&chain(&[(&b, parent), (&a, "")])),
            format!("the parent of history 0 is {parent:?}, but the layer below it is {a:?}")
        );
    }
}

/// S1-3: adjacent entries with the same ID are one layer, and the lower one is used.
#[test]
fn adjacent_duplicates_are_one() {
    let (a, b) = (id('a'), id('b'));
    let twice = [(&*b, &*a), (&b, "anything"), (&b, &a), (&a, ""), (&a, "")];
    let manifest = parse_payload(&chain(&twice)).unwrap();
    assert_eq!(manifest.layers(), layers(&["4", "2"]));
}

/// S1-3, CVE-2016-8579: parents must not form a cycle.
#[test]
fn other_duplicates_are_rejected() {
    let (a, b) = (id('a'), id('b'));
    for circle in [
        &[(&*a, &*b), (&b, &a), (&a, "")][..],
        &[(&a, &b), (&b, &a), (&a, &b), (&b, &a)],
    ] {
        assert_eq!(
            payload_rejection(&chain(circle)),
            format!("history 2 has the same ID {a:?} as one above it")
        );
    }
    assert_eq!(
        payload_rejection(&chain(&[(&a, &a)])),
        format!("the lowest layer has the parent {a:?}")
    );
}

/// S1-4
#[test]
fn throwaway_layers_are_omitted() {
    let (a, b, c) = (id('a'), id('b'), id('c'));
    let entries = [
        (blob("empty"), v1(&c, &b, json!({"throwaway": true}))),
        (blob("kept"), v1(&b, &a, json!({"throwaway": false}))),
        (blob("empty"), v1(&a, "", json!({"throwaway": true}))),
    ];
    let manifest = parse_payload(&payload(&entries)).unwrap();
    assert_eq!(manifest.layers(), layers(&["kept"]));
    let nothing = parse_payload(&payload(&entries[2..])).unwrap();
    assert_eq!(nothing.layers(), []);
}

#[test]
fn malformed_digests_and_histories_are_rejected() {
    let digest = Digest::sha256("x").to_string();
    for (layer, expected) in [
        (
            json!({"blobSum": "../../x"}),
            "fsLayers[1].blobSum: invalid digest \"../../x\": expected algorithm:hex",
        ),
        (json!({"blobSum": null}), "fsLayers[1].blobSum: missing"),
        (
            json!({"blobsum": digest}),
            "fsLayers[1].blobsum: the key must be spelled \"blobSum\"",
        ),
        (
            json!([digest]),
            "fsLayers[1]: invalid type: sequence, expected a map",
        ),
    ] {
        let mut payload = app();
        payload["fsLayers"][1] = layer;
        assert_eq!(
            payload_rejection(&payload),
            format!("invalid schema 1 manifest: {expected}")
        );
    }
    let id = id('a');
    for (history, expected) in [
        (
            String::new(),
            "not JSON: EOF while parsing a value at line 1 column 0",
        ),
        (
            "[]".to_owned(),
            "the document: invalid type: sequence, expected a map",
        ),
        (
            format!(r#"{{"id":"{id}","id":"{id}"}}"#),
            "id: duplicate key",
        ),
        (
            format!(r#"{{"ID":"{id}"}}"#),
            "ID: the key must be spelled \"id\"",
        ),
        (
            format!(r#"{{"id":"{id}","throwaway":1}}"#),
            "throwaway: invalid type: integer `1`, expected a boolean",
        ),
        (
            format!(r#"{{"id":"{id}","container_config":{{"Cmd":[1]}}}}"#),
            "container_config.Cmd: invalid type: integer `1`, expected a string",
        ),
        (
            format!(r#"{{"id":"{id}","config":{{"Labels":{{"a":1,"a":2}}}}}}"#),
            "config.Labels.a: duplicate key",
        ),
    ] {
        let mut payload = app();
        payload["history"][1]["v1Compatibility"] = json!(history);
        assert_eq!(
            payload_rejection(&payload),
            format!("history 1 of the schema 1 manifest: invalid v1 history: {expected}")
        );
    }
}
