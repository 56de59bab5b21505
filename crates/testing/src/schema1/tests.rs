use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::*;
use crate::LayerBuilder;

fn image() -> Schema1Builder {
    Schema1Builder::new("team/app", "1")
        .layer(LayerBuilder::new().file("base", b"base"))
        .created_by("/bin/sh -c base")
        .empty_step("ENV A=b")
        .layer(LayerBuilder::new().file("top", b"top"))
}

fn decoded(value: &Value) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(value.as_str().unwrap()).unwrap()
}

/// Does what a client must do: extracts the payload and verifies it. Returns the payload if the signature is
/// valid.
fn verified(bytes: &[u8]) -> Option<Vec<u8>> {
    let document: Value = serde_json::from_slice(bytes).unwrap();
    let signature = document["signatures"].get(0)?;
    let protected: Value = serde_json::from_slice(&decoded(&signature["protected"])).unwrap();
    let length = usize::try_from(protected["formatLength"].as_u64()?).unwrap();
    let payload = [bytes.get(..length)?, &decoded(&protected["formatTail"])].concat();
    let jwk = &signature["header"]["jwk"];
    let point = [&[4][..], &decoded(&jwk["x"]), &decoded(&jwk["y"])].concat();
    if jwk["kid"] != sign::key_id(&point) || signature["header"]["alg"] != "ES256" {
        return None;
    }
    let encoded = URL_SAFE_NO_PAD.encode(&payload);
    let message = format!("{}.{encoded}", signature["protected"].as_str().unwrap());
    UnparsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point)
        .verify(message.as_bytes(), &decoded(&signature["signature"]))
        .ok()?;
    Some(payload)
}

#[test]
fn the_signature_is_of_the_document() {
    let packed = image().pack();
    assert_eq!(verified(&packed.bytes).unwrap(), packed.payload);
    assert_eq!(packed.digest, Digest::sha256(&packed.payload));
    assert_eq!(image().pack().payload, packed.payload, "the same image");
    let mut document: Value = serde_json::from_slice(&packed.bytes).unwrap();
    document.as_object_mut().unwrap().remove("signatures");
    assert_eq!(
        document,
        serde_json::from_slice::<Value>(&packed.payload).unwrap()
    );
}

#[test]
fn the_document_has_dockers_format() {
    let packed = image().pack();
    let document: Value = serde_json::from_slice(&packed.payload).unwrap();
    assert_eq!(document["schemaVersion"], 1);
    assert_eq!(document["name"], "team/app");
    assert_eq!(document["tag"], "1");
    let [base, empty_layer, top] = &*packed.layers else {
        panic!("{:?}", packed.layers)
    };
    let empty = "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4";
    assert_eq!(empty_layer.digest.to_string(), empty);
    let blobs = [top, empty_layer, base].map(|layer| json!({ "blobSum": layer.digest }));
    assert_eq!(document["fsLayers"], json!(blobs));
    let step = |place: usize| -> Value {
        let text = document["history"][place]["v1Compatibility"].as_str();
        serde_json::from_str(text.unwrap()).unwrap()
    };
    assert_eq!(step(2)["id"], *packed.ids[0]);
    assert_eq!(step(2)["parent"], Value::Null);
    assert_eq!(
        step(2)["container_config"]["Cmd"],
        json!(["/bin/sh", "-c", "base"])
    );
    assert_eq!(step(1)["throwaway"], true);
    assert_eq!(step(1)["parent"], *packed.ids[0]);
    assert_eq!(step(0)["parent"], *packed.ids[1]);
    assert_eq!(step(0)["docker_version"], "1.10.3");
    assert_eq!(step(0)["os"], "linux");
    assert!(packed.ids.iter().all(|id| id.len() == 64));
}

/// C2, T18: no flawed document is accepted as the pushed one.
#[test]
fn flaws_are_detected() {
    use Schema1Flaw::{
        LayersInTail, LongerThanItIs, NoAlgorithm, NoSignatures, OtherKey, OtherKeyId, Tampered,
        Unsigned, UnsignedLayers, WrongSignature,
    };
    for flaw in [
        Unsigned,
        NoSignatures,
        WrongSignature,
        OtherKey,
        OtherKeyId,
        Tampered,
        LongerThanItIs,
        NoAlgorithm,
    ] {
        let packed = image().flaw(flaw).pack();
        assert_eq!(verified(&packed.bytes), None, "{flaw:?}");
    }
    let other = Digest::sha256(b"an unsigned layer").to_string();
    let outside = image().flaw(UnsignedLayers).pack();
    let document: Value = serde_json::from_slice(&outside.bytes).unwrap();
    assert_eq!(document["fsLayers"], json!([{ "blobSum": other }]));
    assert_eq!(verified(&outside.bytes).unwrap(), outside.payload);
    let in_tail = image().flaw(LayersInTail).pack();
    let document: Value = serde_json::from_slice(&in_tail.bytes).unwrap();
    assert_eq!(document["fsLayers"].as_array().unwrap().len(), 3);
    let payload: Value = serde_json::from_slice(&verified(&in_tail.bytes).unwrap()).unwrap();
    assert_eq!(payload["fsLayers"], json!([{ "blobSum": other }]));
}

#[test]
fn everything_can_be_changed() {
    let packed = image()
        .step(|step| step["id"] = json!("../../x"))
        .docker_version("1.8.2")
        .document(|document| document["name"] = json!("other"))
        .header(|header| header["alg"] = json!("HS256"))
        .protected(|protected| protected["formatLength"] = json!(-1))
        .pack();
    assert_eq!(packed.ids[2], "../../x");
    let document: Value = serde_json::from_slice(&packed.bytes).unwrap();
    assert_eq!(document["name"], "other");
    let signature = &document["signatures"][0];
    assert_eq!(signature["header"]["alg"], "HS256");
    let protected: Value = serde_json::from_slice(&decoded(&signature["protected"])).unwrap();
    assert_eq!(protected["formatLength"], -1);
}
